import { mkdtempSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/**
 * Makes a configuration of fontconfig in a folder, by which programs see the fonts of a package, and no others: a page is
 * drawn with the same letters on each machine.
 */
export function ownFonts(folder: string): string {
  const fonts = join(dirname(createRequire(import.meta.url).resolve('dejavu-fonts-ttf/package.json')), 'ttf')
  // Every other font name resolves to DejaVu Sans, the only remaining font beside the one of fixed width.
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
