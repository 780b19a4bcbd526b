function metaOf(name: string): string {
  return document.querySelector<HTMLMetaElement>(`meta[name="jobistemer-${name}"]`)?.content ?? ''
}

/** The path at which the dashboard is mounted; empty at the root. */
export const base = metaOf('base')
export const title = metaOf('title')
