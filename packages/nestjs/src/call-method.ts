import type { TaskContext } from '@jobistemer/core'
import { ContextIdFactory, ModuleRef } from '@nestjs/core'

/** The members of Nest's provider wrapper that this package uses. */
export interface ProviderWrapper {
  readonly token: unknown
  readonly metatype: unknown
  readonly instance: unknown
  readonly isAlias?: boolean
  /** The Nest module to which this Nest provider belongs. */
  readonly host?: {
    readonly name: string
    getProviderByKey(token: unknown): { readonly instance: unknown }
  }
  isDependencyTreeStatic(): boolean
  readonly isTransient: boolean
}

type Method = (context: unknown) => unknown

/**
 * Calls a method of a provider for one attempt. For a request-scoped provider, Nest creates a new instance, and injects the
 * attempt's context as `REQUEST`.
 */
export function callMethod(wrapper: ProviderWrapper, method: string | symbol, context: unknown): unknown {
  if (wrapper.isDependencyTreeStatic() && !wrapper.isTransient) {
    return methodOf(wrapper.instance, method).call(wrapper.instance, context)
  }
  return callScoped(wrapper, method, context as TaskContext)
}

async function callScoped(
  { token, host }: ProviderWrapper,
  method: string | symbol,
  context: TaskContext,
): Promise<unknown> {
  // Resolves the instance in the Nest module of this provider. Another Nest module may have a different provider with the same
  // token.
  const moduleRef = host?.getProviderByKey(ModuleRef).instance as ModuleRef
  const contextId = ContextIdFactory.create()
  moduleRef.registerRequestByContextId(context, contextId)
  const instance: unknown = await moduleRef.resolve(token as never, contextId, { strict: true })
  return methodOf(instance, method).call(instance, context)
}

function methodOf(instance: unknown, method: string | symbol): Method {
  return (instance as Record<string | symbol, Method>)[method] as Method
}
