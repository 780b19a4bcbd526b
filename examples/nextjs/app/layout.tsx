import type { ReactNode } from 'react'

// biome-ignore lint/style/noDefaultExport: Next.js expects a default export
export default function Layout({ children }: { readonly children: ReactNode }): ReactNode {
  return (
    <html lang="en">
      <body>{children}</body>
    </html>
  )
}
