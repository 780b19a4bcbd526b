/**
 * Runs a command and exits with its exit code. If the command throws, prints only the error's message, without a stack
 * trace.
 * @param {(args: string[]) => Promise<number>} command receives the command line after the script's name
 */
export async function main(command) {
  try {
    process.exitCode = await command(process.argv.slice(2))
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  }
}
