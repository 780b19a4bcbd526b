import {
  type IsolationOptions,
  JobistemerError,
  type JobOptions,
  type RetryPolicyInCode,
  type TaskSettingsInput,
} from '@jobistemer/core'
import { Injectable, type InjectableOptions } from '@nestjs/common'

/** The options of {@link Job}: those of `defineJob` without `tasks`, because the methods of the class are the tasks. */
export interface JobDecoratorOptions extends Omit<JobOptions, 'tasks' | 'onStart' | 'onComplete'> {}

/**
 * The options of {@link Task}. With `module`, the decorator belongs on a property, and the handler is the default
 * export of the file that `module` names.
 */
export interface TaskDecoratorOptions extends TaskSettingsInput, Partial<IsolationOptions> {
  /** The name of the task. Default: the name of the method or property. */
  readonly name?: string
  /** The retry policy of the task. Default: no retry. */
  readonly retryPolicy?: RetryPolicyInCode
  /** JSON data that the method receives as `context.data`. */
  readonly data?: unknown
}

/**
 * Decorates a method that takes no parameter, or only the context of the attempt. For an isolated task, decorates a
 * property.
 */
export type TaskMethodDecorator = <Method extends (context: never) => unknown>(
  target: object,
  method: string | symbol,
  descriptor?: TypedPropertyDescriptor<Method>,
) => void

/** A method that {@link Task} has made a task of its class's job. */
export interface MarkedTask {
  readonly method: string | symbol
  readonly options: TaskDecoratorOptions
}

/** A named handler: a method, or the module of an isolated task. */
export interface MarkedHandler {
  readonly method: string | symbol
  readonly name: string
  readonly isolation: IsolationOptions | undefined
}

/** The metadata that the decorators have stored on a class. */
export interface Marks {
  readonly job: JobDecoratorOptions | null
  readonly tasks: readonly MarkedTask[]
  readonly handlers: readonly MarkedHandler[]
}

// The decorators store metadata on classes under global symbols, which all copies of this package share.
const jobKey = Symbol.for('jobistemer.nestjs.job')
const tasksKey = Symbol.for('jobistemer.nestjs.tasks')
const handlersKey = Symbol.for('jobistemer.nestjs.handlers')
/** The key under which Nest keeps the scope of a class. */
const scopeOptions = 'scope:options'

interface MarkedPrototype {
  [tasksKey]?: readonly MarkedTask[]
  [handlersKey]?: readonly MarkedHandler[]
}

interface MarkedClass {
  [jobKey]?: JobDecoratorOptions
}

/**
 * Makes an injectable class a job. The methods with {@link Task} are the tasks of the job, in their order in the class.
 *
 * @example
 * \@Job({ name: 'nightly-report', schedule: cron('0 2 * * *') })
 * class NightlyReport {
 *   constructor(private readonly mailer: Mailer) {}
 *
 *   \@Task({ taskTimeout: { minutes: 10 } })
 *   async export({ scheduledAt, signal }: TaskContext) {}
 * }
 */
export function Job(options: JobDecoratorOptions): ClassDecorator {
  return (target) => {
    // Keeps the scope that `@Injectable` or `@Controller` below this decorator, or a base class, has given.
    Injectable(Reflect.getMetadata(scopeOptions, target) as InjectableOptions | undefined)(target)
    Object.defineProperty(target, jobKey, { value: options, configurable: true })
  }
}

/**
 * Makes a method a task of its class's {@link Job}. With `module`, decorates a property instead: the task then runs in
 * a separate thread or process.
 *
 * @example
 * \@Task({ module: new URL('./render.js', import.meta.url), isolation: 'process' })
 * readonly render!: unknown
 */
export function Task(options: TaskDecoratorOptions = {}): TaskMethodDecorator {
  return (target, method) => mark(target, tasksKey, { method, options })
}

/**
 * Registers a method as this node's handler of the given name, for jobs that are data. With `isolation`, the decorator
 * belongs on a property, as with {@link Task}.
 */
export function Handler(name: string, isolation?: IsolationOptions): TaskMethodDecorator {
  return (target, method) => mark(target, handlersKey, { method, name, isolation })
}

/** @throws JobistemerError `INVALID_ARGUMENT` */
function mark<Key extends typeof tasksKey | typeof handlersKey>(
  prototype: object,
  key: Key,
  one: Key extends typeof tasksKey ? MarkedTask : MarkedHandler,
): void {
  checkTarget(prototype, one.method, key === tasksKey ? '@Task' : '@Handler')
  const own = Object.hasOwn(prototype, key) ? ((prototype as MarkedPrototype)[key] ?? []) : []
  Object.defineProperty(prototype, key, { value: [...own, one], configurable: true })
}

/**
 * Checks that a decorator has received the prototype of a class and the name of a member.
 * @throws JobistemerError `INVALID_ARGUMENT`
 */
function checkTarget(target: object, method: unknown, decorator: string): void {
  // A standard decorator receives the method itself, and a context object in place of the name.
  if (typeof method === 'object' && method !== null) {
    const { name } = method as { readonly name?: unknown }
    throw new JobistemerError('INVALID_ARGUMENT', {
      message: `The compiler calls ${decorator} on ${String(name)} as a standard decorator.`,
      field: 'experimentalDecorators',
      value: name,
      remedy: 'Set experimentalDecorators to true in tsconfig.json, as Nest needs it.',
    })
  }
  if (typeof target !== 'function') return
  const place = `${target.name}.${String(method)}`
  throw new JobistemerError('INVALID_ARGUMENT', {
    message: `${decorator} decorates the static method ${place}.`,
    field: 'method',
    value: place,
    remedy: 'Remove the keyword static, because Nest calls methods of the instance.',
  })
}

/** Returns the decorator metadata of a class and its base classes. Returns `null` if the class has no decorators. */
export function marksOf(type: unknown): Marks | null {
  if (typeof type !== 'function' || typeof type.prototype !== 'object' || type.prototype === null) return null
  // A subclass inherits the tasks of a job class, but not its `@Job`.
  const job = Object.hasOwn(type, jobKey) ? ((type as MarkedClass)[jobKey] ?? null) : null
  const tasks: MarkedTask[] = []
  const handlers: MarkedHandler[] = []
  for (let at: MarkedPrototype | null = type.prototype; at !== null; at = Object.getPrototypeOf(at)) {
    if (Object.hasOwn(at, tasksKey)) tasks.unshift(...without(at[tasksKey] ?? [], tasks))
    if (Object.hasOwn(at, handlersKey)) handlers.unshift(...without(at[handlersKey] ?? [], handlers))
  }
  return job === null && tasks.length === 0 && handlers.length === 0 ? null : { job, tasks, handlers }
}

/** Returns the inherited entries except those of methods that the subclass decorates again. */
function without<One extends { readonly method: string | symbol }>(
  inherited: readonly One[],
  own: readonly One[],
): readonly One[] {
  return inherited.filter(({ method }) => !own.some((one) => one.method === method))
}
