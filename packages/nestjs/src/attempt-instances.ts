import type { TaskContext } from '@jobistemer/core'
import { ContextIdFactory, type ModuleRef } from '@nestjs/core'

/** What Nest knows of a provider, as far as it is used. */
export interface ProviderWrapper {
  readonly token: unknown
  readonly metatype: unknown
  readonly instance: unknown
  readonly isAlias?: boolean
  readonly host?: { readonly name: string }
  isDependencyTreeStatic(): boolean
  readonly isTransient: boolean
}

type Method = (context: unknown) => unknown

/** The objects whose methods do the work. */
export class AttemptInstances {
  readonly #moduleRef: ModuleRef

  constructor(moduleRef: ModuleRef) {
    this.#moduleRef = moduleRef
  }

  /**
   * Calls a method of a provider. One that lives for a request lives for this attempt: what injects `REQUEST` gets the
   * context of the attempt.
   */
  call(wrapper: ProviderWrapper, method: string | symbol, context: unknown): unknown {
    if (wrapper.isDependencyTreeStatic() && !wrapper.isTransient) {
      return methodOf(wrapper.instance, method).call(wrapper.instance, context)
    }
    return this.#callScoped(wrapper, method, context as TaskContext)
  }

  async #callScoped({ token }: ProviderWrapper, method: string | symbol, context: TaskContext): Promise<unknown> {
    const contextId = ContextIdFactory.create()
    this.#moduleRef.registerRequestByContextId(context, contextId)
    const instance: unknown = await this.#moduleRef.resolve(token as never, contextId, { strict: false })
    return methodOf(instance, method).call(instance, context)
  }
}

function methodOf(instance: unknown, method: string | symbol): Method {
  return (instance as Record<string | symbol, Method>)[method] as Method
}
