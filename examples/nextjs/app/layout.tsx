import type { ReactNode } from 'react'

// biome-ignore lint/style/noDefaultExport: Next.js looks for it there
export default function Layout({ children }: { readonly children: ReactNode }): ReactNode {
  return (
    <html lang="en">
      <body>{children}</body>
    </html>
  )
}
