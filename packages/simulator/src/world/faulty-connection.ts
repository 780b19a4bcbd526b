import type { Storage, WakeUp } from '@jobistemer/core/storage'
import { type StorageCall, wrapStorage } from '@jobistemer/core/testing'
import type { SeededRandom } from '@jobistemer/test-kit'
import type { Barrier } from './barrier.ts'
import { type CallFault, drawCallFault, type FaultProfile } from './fault-profile.ts'

/** An error that the simulated storage or network causes. */
export class StorageFault extends Error {
  override readonly name = 'StorageFault'
}

/** What a connection needs from its node incarnation and from the simulation. */
export interface ConnectionOwner {
  readonly random: SeededRandom
  /** The maximum batch size of the connection, in place of the storage's own. */
  readonly maxBatch: number
  readonly worthwhileBatch: number
  /** The current fault profile; `null` after the faults have stopped. */
  readonly faults: FaultProfile | null
  readonly dead: boolean
  /** Returns the barrier that currently blocks an operation; `null` without a barrier. */
  barrierTo(operation: CalledOperation): Barrier | null
  whenAwake(callback: () => void): void
  crash(where: string): void
  freeze(where: string): void
  /** Calls `callback` after `delayMs` of virtual time, even if the node has ended. */
  later(delayMs: number, callback: () => void): void
  /** Reports that the scheduler makes a call. The connection sends the call as soon as the process is not frozen. */
  asks(call: StorageCall): void
  /** Reports that the connection has sent a call, or has injected a fault into a call. */
  called(operation: CalledOperation): void
  injected(fault: CallFault | Barrier['fault'] | 'lost wake-up', operation: string): void
}

/** Wraps the storage as a node's connection, which injects faults into calls. */
export function faultyConnection(target: Storage, owner: ConnectionOwner): Storage {
  return wrapStorage(target, {
    // The connection reports that several processes can use the storage, although the simulation is one process. Therefore
    // each node polls, and scans for definitions that other nodes have changed.
    capabilities: {
      ...target.capabilities,
      multiProcess: true,
      maxBatch: owner.maxBatch,
      worthwhileBatch: owner.worthwhileBatch,
    },
    subscribe: (listener) => subscribe(target, owner, listener),
    around: (call) => {
      owner.asks(call)
      return new Call(call.method, call.proceed, owner).make()
    },
  })
}

/** The names of the storage operations that a scheduler calls. */
export type CalledOperation = StorageCall['method']

function subscribe(target: Storage, owner: ConnectionOwner, listener: (wakeUp: WakeUp) => void): () => void {
  const unsubscribe = target.subscribe?.((wakeUp) => {
    if (owner.dead) return
    if (owner.faults !== null && owner.random.chance(owner.faults.lostWakeUps)) {
      owner.injected('lost wake-up', wakeUp.kind)
      return
    }
    owner.whenAwake(() => listener(wakeUp))
  })
  return () => unsubscribe?.()
}

/** One storage call on its way to the storage and back. */
class Call {
  readonly #operation: CalledOperation
  readonly #perform: () => Promise<unknown>
  readonly #owner: ConnectionOwner

  constructor(operation: CalledOperation, perform: () => Promise<unknown>, owner: ConnectionOwner) {
    this.#operation = operation
    this.#perform = perform
    this.#owner = owner
  }

  make(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const owner = this.#owner
      owner.whenAwake(() => {
        owner.called(this.#operation)
        this.#send().then(
          (answer) => owner.whenAwake(() => resolve(answer)),
          (error) => owner.whenAwake(() => reject(error)),
        )
      })
    })
  }

  async #send(): Promise<unknown> {
    const owner = this.#owner
    const { faults } = owner
    const barrier = owner.barrierTo(this.#operation)
    if (barrier !== null) {
      owner.injected(barrier.fault, this.#operation)
      await barrier.lifted
      throw new StorageFault(`${this.#operation}: the storage is unreachable`)
    }
    if (faults === null) return await this.#perform()
    const fault = drawCallFault(faults, owner.random)
    if (fault === null) return await this.#perform()
    owner.injected(fault, this.#operation)
    switch (fault) {
      case 'crash before':
        owner.crash(`before ${this.#operation}`)
        return await never()
      case 'crash after': {
        await this.#perform()
        owner.crash(`after ${this.#operation}`)
        return await never()
      }
      case 'freeze before':
        owner.freeze(`before ${this.#operation}`)
        await new Promise<void>((resolve) => owner.whenAwake(resolve))
        return await this.#perform()
      case 'freeze after': {
        const answer = await this.#perform()
        owner.freeze(`after ${this.#operation}`)
        return answer
      }
      case 'rejected':
        throw new StorageFault(`${this.#operation}: refused`)
      case 'lost answer':
        await this.#perform()
        throw new StorageFault(`${this.#operation}: the answer got lost`)
      case 'late effect':
        // The caller has already given up, so no caller receives the error of this late call.
        owner.later(this.#delay(faults), () => void this.#perform().catch(() => undefined))
        throw new StorageFault(`${this.#operation}: no answer in time`)
      case 'doubled': {
        const first = await this.#perform()
        const second = await this.#perform()
        return owner.random.chance(0.5) ? first : second
      }
      case 'slow': {
        await this.#wait(this.#delay(faults))
        // The storage executes the call even if the process has died since it sent the call.
        const answer = await this.#perform()
        await this.#wait(this.#delay(faults))
        return answer
      }
    }
  }

  #delay(faults: FaultProfile): number {
    return this.#owner.random.whole(1, faults.slowestMs)
  }

  #wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.#owner.later(delayMs, resolve))
  }
}

/** Returns a new pending promise for each call. A shared promise would keep all its waiters in memory. */
function never(): Promise<never> {
  return new Promise(() => {})
}
