import type { ComponentChild } from 'preact'
import { useId, useRef, useEffect } from 'preact/hooks'
import { title } from './base.ts'
import { go, Link, usePlace } from './location.tsx'
import { connection } from './live.ts'
import { Notices } from './parts/notices.tsx'
import { themePreference, type Theme, type Zone, zonePreference } from './preferences.ts'
import { session } from './session.ts'
import { type Store, useStore } from './store.ts'
import { Backfills } from './views/backfills.tsx'
import { Failures } from './views/failures.tsx'
import { Job } from './views/job.tsx'
import { Jobs } from './views/jobs.tsx'
import { Late } from './views/late.tsx'
import { Nodes } from './views/nodes.tsx'
import { Overview } from './views/overview.tsx'
import { Queue } from './views/queue.tsx'
import { Run } from './views/run.tsx'
import { Search } from './views/search.tsx'

const views: Readonly<Record<string, () => ComponentChild>> = {
  '/': () => <Overview />,
  '/jobs': () => <Jobs />,
  '/job': () => <Job />,
  '/run': () => <Run />,
  '/failures': () => <Failures />,
  '/late': () => <Late />,
  '/queue': () => <Queue />,
  '/backfills': () => <Backfills />,
  '/nodes': () => <Nodes />,
  '/search': () => <Search />,
}

const navigation = [
  ['/', 'Overview'],
  ['/jobs', 'Jobs'],
  ['/failures', 'Failures'],
  ['/late', 'Late'],
  ['/queue', 'Queue'],
  ['/backfills', 'Backfills'],
  ['/nodes', 'Nodes'],
] as const

export function Shell() {
  const { path } = usePlace()
  const view = views[path] ?? views['/']
  return (
    <>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <header class="top">
        <Link to="/" class="brand">
          <svg viewBox="0 0 32 32" aria-hidden="true">
            <circle cx="16" cy="16" r="12" />
            <path d="M16 8.5V16l5.5 3.5" />
          </svg>
          <span>{title}</span>
        </Link>
        <nav class="main-nav" aria-label="Dashboard">
          {navigation.map(([to, label]) => (
            <Link
              key={to}
              to={to}
              aria-current={to === path || (to === '/jobs' && path === '/job') ? 'page' : undefined}
            >
              {label}
            </Link>
          ))}
        </nav>
        <SearchBox />
        <Live />
      </header>
      <Banner />
      <main id="main" tabIndex={-1}>
        {view?.()}
      </main>
      <footer class="foot">
        <Choice<Zone>
          store={zonePreference}
          label="Times in"
          choices={[
            ['browser', 'my zone'],
            ['job', 'the job’s zone'],
            ['utc', 'UTC'],
          ]}
        />
        <Choice<Theme>
          store={themePreference}
          label="Colours"
          choices={[
            ['system', 'as the system'],
            ['light', 'light'],
            ['dark', 'dark'],
          ]}
        />
        <ReadOnlyNote />
      </footer>
      <Notices />
    </>
  )
}

function SearchBox() {
  const { path, query } = usePlace()
  const ref = useRef<HTMLInputElement>(null)
  useEffect(() => {
    const focus = (event: KeyboardEvent): void => {
      const target = event.target as HTMLElement
      const isTyping = target.closest('input, textarea, select, dialog') !== null
      if (event.key !== '/' || isTyping || event.ctrlKey || event.metaKey || event.altKey) return
      event.preventDefault()
      ref.current?.focus()
    }
    document.addEventListener('keydown', focus)
    return () => document.removeEventListener('keydown', focus)
  }, [])
  return (
    <form
      class="search"
      role="search"
      onSubmit={(event) => {
        event.preventDefault()
        const q = ref.current?.value.trim() ?? ''
        if (q !== '') go('/search', { q })
      }}
    >
      <input
        ref={ref}
        type="search"
        aria-label="Search jobs and runs"
        placeholder="Search  /"
        defaultValue={path === '/search' ? (query.q ?? '') : ''}
      />
    </form>
  )
}

function Live() {
  const { state } = useStore(connection)
  const text = { live: 'Live', connecting: 'Connecting', unreachable: 'Not live', away: 'Not live' }[state]
  return (
    <span class={`live live-${state}`}>
      <span class="dot" aria-hidden="true" />
      {text}
    </span>
  )
}

/** Shows why the page may be out of date, such as a lost connection. */
function Banner() {
  const found = useStore(connection)
  return (
    <div role="status" class="banner-place">
      {found.state === 'away' && (
        <p class="banner">
          <strong>The storage does not answer.</strong> This page may be out of date. The dashboard keeps asking.
        </p>
      )}
      {found.state === 'unreachable' && (
        <p class="banner">
          <strong>The server of this dashboard does not answer.</strong> This page may be out of date. It keeps trying.
        </p>
      )}
    </div>
  )
}

interface ChoiceProps<T extends string> {
  readonly store: Store<T>
  readonly label: string
  readonly choices: readonly (readonly [T, string])[]
}

function Choice<T extends string>({ store, label, choices }: ChoiceProps<T>) {
  const id = useId()
  const value = useStore(store)
  return (
    <span class="choice">
      <label for={id}>{label}</label>
      <select
        id={id}
        value={value}
        onChange={(event) => {
          store.value = event.currentTarget.value as T
        }}
      >
        {choices.map(([choice, text]) => (
          <option key={choice} value={choice}>
            {text}
          </option>
        ))}
      </select>
    </span>
  )
}

function ReadOnlyNote() {
  const { readOnly, now } = useStore(session)
  return readOnly && now !== '' ? <span class="quiet">This dashboard is read-only.</span> : null
}
