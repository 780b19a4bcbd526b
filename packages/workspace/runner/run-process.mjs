import { spawn } from 'node:child_process'
import { root } from './repository.mjs'

/**
 * @typedef {object} ProcessOptions
 * @property {string} [cwd] default: the top folder
 * @property {NodeJS.ProcessEnv} [env] default: this process's
 * @property {number} [timeoutMs] time after which the process and its children are killed; default: never
 * @property {boolean} [shell] whether the command is a line for the shell; default: a program file
 */

/**
 * @typedef {object} ProcessResult
 * @property {number} exitCode 1 for a program that a signal ended
 * @property {string | undefined} ended the reason, if it did not exit by itself
 * @property {string} output standard output and standard error in the order of arrival; only the end of a long output
 */

const longestOutput = 1_000_000

/** @type {Set<number>} Process groups that must not outlive this process. */
const runningGroups = new Set()

/**
 * Runs a program without standard input and keeps its output.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {ProcessOptions} [options]
 * @returns {Promise<ProcessResult>}
 */
export function capture(command, args, { cwd = root, env = process.env, timeoutMs, shell = false } = {}) {
  return new Promise((resolve) => {
    const ownGroup = process.platform !== 'win32'
    const child = spawn(command, args, { cwd, env, shell, stdio: ['ignore', 'pipe', 'pipe'], detached: ownGroup })
    const pid = child.pid
    let output = ''
    /** @type {string | undefined} */
    let ended
    const collect = (/** @type {string} */ chunk) => {
      output = (output + chunk).slice(-longestOutput)
    }
    child.stdout.setEncoding('utf8').on('data', collect)
    child.stderr.setEncoding('utf8').on('data', collect)
    if (ownGroup && pid !== undefined) track(pid)
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            ended = `was killed after ${timeoutMs / 1000} s`
            if (ownGroup && pid !== undefined) killGroup(pid)
            else child.kill('SIGKILL')
          }, timeoutMs)
    const finish = (/** @type {number} */ exitCode) => {
      clearTimeout(timer)
      if (pid !== undefined) untrack(pid)
      resolve({ exitCode, ended, output })
    }
    child.on('error', (error) => {
      collect(`${error.message}\n`)
      ended = `could not be started: ${error.message}`
      finish(1)
    })
    child.on('close', (code, signal) => {
      if (signal !== null) ended ??= `was ended by ${signal}`
      finish(code ?? 1)
    })
  })
}

/**
 * Runs a program on this process's own terminal and resolves to its exit code. Ctrl-C reaches the program from the
 * terminal, and this process waits for the program's end.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv }} [options]
 * @returns {Promise<number>}
 */
export function runInForeground(command, args, { cwd = root, env = process.env } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, stdio: 'inherit' })
    const wait = () => {}
    const forward = () => child.kill('SIGTERM')
    process.on('SIGINT', wait)
    process.on('SIGTERM', forward)
    const release = () => {
      process.off('SIGINT', wait)
      process.off('SIGTERM', forward)
    }
    child.on('error', (error) => {
      release()
      reject(error)
    })
    child.on('exit', (code) => {
      release()
      resolve(code ?? 1)
    })
  })
}

/** @param {number} pid */
function killGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // Ignores the error, because it means that the process group has already ended.
  }
}

const deadlySignals = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])

/**
 * Kills the process group of a captured program when this process ends, because Ctrl-C does not reach that group. This
 * process handles signals only while captured programs run. A program in the foreground handles signals itself.
 * @param {number} pid
 */
function track(pid) {
  if (runningGroups.size === 0) {
    process.on('exit', killAll)
    for (const signal of deadlySignals) process.on(signal, leave)
  }
  runningGroups.add(pid)
}

/** @param {number} pid */
function untrack(pid) {
  if (!runningGroups.delete(pid) || runningGroups.size > 0) return
  process.off('exit', killAll)
  for (const signal of deadlySignals) process.off(signal, leave)
}

function killAll() {
  for (const pid of runningGroups) killGroup(pid)
}

function leave() {
  process.exit(130)
}
