import type { Metrics } from '@jobistemer/core'

const methods = ['increment', 'observe', 'set', 'removeJob', 'gauges'] as const

/** Whether a value has all that metrics have. */
export function areMetrics(value: Metrics): boolean {
  return typeof value === 'object' && value !== null && methods.every((name) => typeof value[name] === 'function')
}

/** Tells both. One that throws takes nothing from the other: its error goes on afterwards, to whoever called. */
export function bothMetrics(first: Metrics, second: Metrics): Metrics {
  return {
    increment(name, labels, by) {
      try {
        first.increment(name, labels, by)
      } finally {
        second.increment(name, labels, by)
      }
    },
    observe(name, labels, value) {
      try {
        first.observe(name, labels, value)
      } finally {
        second.observe(name, labels, value)
      }
    },
    set(name, labels, value) {
      try {
        first.set(name, labels, value)
      } finally {
        second.set(name, labels, value)
      }
    },
    removeJob(job) {
      try {
        first.removeJob(job)
      } finally {
        second.removeJob(job)
      }
    },
    gauges(read) {
      try {
        first.gauges(read)
      } finally {
        second.gauges(read)
      }
    },
    end(read) {
      try {
        first.end?.(read)
      } finally {
        second.end?.(read)
      }
    },
  }
}
