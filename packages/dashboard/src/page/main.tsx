import { render } from 'preact'
import './page.css'
import { after } from './browser-clock.ts'
import { follow } from './live.ts'
import { applyTheme } from './preferences.ts'
import { readSession } from './session.ts'
import { Shell } from './shell.tsx'

applyTheme()
render(<Shell />, document.getElementById('app') as HTMLElement)
follow()

/** Loads the session, and retries until it succeeds. Without a session the page offers no actions. */
function learnSession(): void {
  readSession().catch(() => after(3000, learnSession))
}
learnSession()
