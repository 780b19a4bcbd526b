/** A server that can be broken, with the network in front of it. */
export interface StorageServer {
  /** Ends all connections; new ones pass. */
  breakConnections(): void | Promise<void>
  /** Requests reach the server, and no answer comes back. */
  loseAnswers(): void
  /** Ends all connections, and refuses new ones. */
  cut(): void
  /** Everything passes again, through new connections. */
  heal(): void
  /** SIGKILL; of a server of several processes, to the one that `choice` in `[0, 1)` says. */
  kill(choice: number): Promise<void>
  /** Starts what was killed, on the same data; resolves when it answers. */
  restart(): Promise<void>
  /** SIGKILL after `forMs`, and a start on the data as they were at the call. */
  loseWrites?(forMs: number): Promise<void>
}
