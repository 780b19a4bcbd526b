import { expect, test } from 'vitest'
import { openTelemetryMetrics, openTelemetryTracing } from '../src/index.ts'

test.each<[what: string, call: () => unknown, code: string, field: string]>([
  ['no object', () => openTelemetryTracing(null as never), 'INVALID_ARGUMENT', 'options'],
  ['a list', () => openTelemetryMetrics([] as never), 'INVALID_ARGUMENT', 'options'],
  ['no provider', () => openTelemetryTracing({ tracerProvider: {} as never }), 'INVALID_ARGUMENT', 'tracerProvider'],
  ['a text', () => openTelemetryMetrics({ meterProvider: 'here' as never }), 'INVALID_ARGUMENT', 'meterProvider'],
  ['an unknown option', () => openTelemetryTracing({ provider: 1 } as never), 'UNKNOWN_OPTION', 'provider'],
])(
  'the OpenTelemetry package refuses invalid options, and the error has a code, a field and a remedy: %s',
  (_, call, code, field) => {
    expect(call).toThrow(expect.objectContaining({ code, field, remedy: expect.any(String) }))
  },
)
