import { type AnyTask, defineJob, isolatedHandler, type Job, JobistemerError, type TaskHandler } from '@jobistemer/core'
import type { DiscoveryService } from '@nestjs/core'
import { callMethod, type ProviderWrapper } from './call-method.ts'
import { type Marks, marksOf } from './job-decorator.ts'

/** The jobs and handlers that the application's decorated classes define. */
export interface MarkedProviders {
  readonly jobs: readonly Job[]
  readonly handlers: Readonly<Record<string, TaskHandler>>
}

/**
 * Finds the jobs and handlers of all providers and controllers, before Nest creates instances.
 * @throws JobistemerError `DUPLICATE_JOB`, `INVALID_ARGUMENT`, and the errors of `defineJob`
 */
export function markedProviders(discovery: DiscoveryService): MarkedProviders {
  const jobs: Job[] = []
  const handlers: Record<string, TaskHandler> = {}
  const seen = new Map<unknown, string>()
  for (const wrapper of [...discovery.getProviders(), ...discovery.getControllers()] as ProviderWrapper[]) {
    const type = markedTypeOf(wrapper)
    const marks = marksOf(type)
    // Skips an alias (`useExisting`), because it is the same provider under another token.
    if (type === null || marks === null || wrapper.isAlias) continue
    const { name } = type
    const module = wrapper.host?.name ?? 'no module'
    const before = seen.get(type)
    if (before !== undefined) throw providedTwice(name, [before, module])
    seen.set(type, module)
    if (marks.job !== null) jobs.push(jobOf(type, marks, wrapper))
    else if (marks.tasks.length > 0) throw taskWithoutJob(name)
    for (const { method, name: handler, isolation } of marks.handlers) {
      if (Object.hasOwn(handlers, handler)) throw handlerTwice(handler)
      if (isolation === undefined) handlers[handler] = (context) => callMethod(wrapper, method, context)
      else {
        refuseMethod(type, method)
        handlers[handler] = isolatedHandler(isolation)
      }
    }
  }
  return { jobs, handlers }
}

/**
 * Joins the handlers of decorated classes and those of the option `handlers`.
 * @throws JobistemerError `INVALID_ARGUMENT` if both have a handler of the same name
 */
export function joinedHandlers(
  marked: MarkedProviders['handlers'],
  given: MarkedProviders['handlers'] = {},
): MarkedProviders['handlers'] {
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(marked, name)) continue
    throw new JobistemerError('INVALID_ARGUMENT', {
      message: `Both @Handler and the option handlers have the handler ${JSON.stringify(name)}.`,
      field: `handlers.${name}`,
      value: name,
      remedy: 'Give one of the two handlers a different name, or remove it.',
    })
  }
  return { ...marked, ...given }
}

interface MarkedType {
  readonly name: string
  readonly prototype: object
}

/**
 * Returns the decorated class of a provider: its own class, the class of its value, or its token. Returns `null` if none of
 * these classes has decorators.
 */
function markedTypeOf({ metatype, token, instance }: ProviderWrapper): MarkedType | null {
  const candidates = [metatype, (instance as object | null | undefined)?.constructor, token]
  return (candidates.find((one) => marksOf(one) !== null) as MarkedType | undefined) ?? null
}

function jobOf(type: MarkedType, marks: Marks, wrapper: ProviderWrapper): Job {
  if (marks.tasks.length === 0) {
    throw new JobistemerError('INVALID_ARGUMENT', {
      message: `The job of class ${type.name} has no task.`,
      field: 'tasks',
      value: type.name,
      remedy: 'Decorate at least one of its methods with @Task().',
    })
  }
  const tasks = marks.tasks.map(({ method, options }): AnyTask => {
    const { name = String(method), ...settings } = options
    if (settings.module !== undefined) {
      refuseMethod(type, method)
      return { ...settings, name }
    }
    return { ...settings, name, run: (context: never) => callMethod(wrapper, method, context) }
  })
  return defineJob({ ...marks.job, tasks } as Parameters<typeof defineJob>[0])
}

/**
 * Rejects a decorator with `module` on a method, because the node would never call that method.
 * @throws JobistemerError `INVALID_ARGUMENT`
 */
function refuseMethod({ name, prototype }: MarkedType, method: string | symbol): void {
  if (typeof (prototype as Record<string | symbol, unknown>)[method] !== 'function') return
  throw new JobistemerError('INVALID_ARGUMENT', {
    message: `Method ${String(method)} of class ${name} has both code and a module.`,
    field: 'module',
    value: `${name}.${String(method)}`,
    remedy: 'Decorate a property with the module, such as `readonly render!: unknown`, or leave the module out.',
  })
}

function providedTwice(name: string, modules: readonly string[]): JobistemerError {
  return new JobistemerError('DUPLICATE_JOB', {
    message: `Class ${name} has a job or handlers, and is provided by ${modules.join(' and by ')}.`,
    field: 'providers',
    value: name,
    remedy: 'Provide it in one module, and export it from there.',
  })
}

function taskWithoutJob(name: string): JobistemerError {
  return new JobistemerError('INVALID_ARGUMENT', {
    message: `Class ${name} has methods with @Task, and is no job.`,
    field: 'tasks',
    value: name,
    remedy: 'Decorate the class with @Job({ name, schedule }).',
  })
}

function handlerTwice(name: string): JobistemerError {
  return new JobistemerError('INVALID_ARGUMENT', {
    message: `Two methods are the handler ${JSON.stringify(name)}.`,
    field: `handlers.${name}`,
    value: name,
    remedy: 'Give each @Handler a different name.',
  })
}
