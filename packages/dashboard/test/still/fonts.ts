import { mkdtempSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/**
 * Writes a fontconfig configuration into a folder, and returns its path. Programs then see only the fonts of one package, so
 * that every machine draws the same letters.
 */
export function ownFonts(folder: string): string {
  const fonts = join(dirname(createRequire(import.meta.url).resolve('dejavu-fonts-ttf/package.json')), 'ttf')
  // Rejects all DejaVu fonts except DejaVu Sans and DejaVu Sans Mono. Every font name then resolves to one of these two.
  const others = ['*Serif*', '*Condensed*', '*Oblique*', '*ExtraLight*', '*MathTeX*']
  const families = [['monospace', 'DejaVu Sans Mono']]
  const file = join(folder, 'fonts.conf')
  writeFileSync(
    file,
    `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>${fonts}</dir>
  <selectfont>
    <rejectfont>
      ${others.map((glob) => `<glob>${fonts}/${glob}</glob>`).join('')}
    </rejectfont>
  </selectfont>
  <cachedir>${mkdtempSync(join(folder, 'fonts-'))}</cachedir>
  ${families.map(([alias, family]) => `<alias binding="same"><family>${alias}</family><prefer><family>${family}</family></prefer></alias>`).join('\n  ')}
  <match target="font">
    <edit name="antialias" mode="assign"><bool>true</bool></edit>
    <edit name="hinting" mode="assign"><bool>false</bool></edit>
    <edit name="rgba" mode="assign"><const>none</const></edit>
  </match>
</fontconfig>
`,
  )
  return file
}
