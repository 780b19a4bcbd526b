import { gunzipSync } from 'node:zlib'

const blockSize = 512

/**
 * Returns the files in an npm tarball. Their paths omit the prefix `package/`.
 * @param {Buffer} tarball
 * @returns {{ path: string, size: number }[]}
 */
export function tarballFiles(tarball) {
  const archive = gunzipSync(tarball)
  const files = []
  for (let offset = 0; offset < archive.length; ) {
    const header = archive.subarray(offset, offset + blockSize)
    const name = text(header, 0, 100)
    const size = Number.parseInt(text(header, 124, 12), 8) || 0
    const type = text(header, 156, 1)
    const folder = text(header, 345, 155)
    const path = (folder === '' ? name : `${folder}/${name}`).replace(/^package\//, '')
    if (name !== '' && (type === '0' || type === '')) files.push({ path, size })
    offset += blockSize + Math.ceil(size / blockSize) * blockSize
  }
  return files
}

/**
 * Reads a text field of a tar header, which ends at its first zero byte.
 * @param {Buffer} header
 * @param {number} start
 * @param {number} length
 */
function text(header, start, length) {
  const field = header.subarray(start, start + length).toString('utf8')
  const end = field.indexOf('\0')
  return end === -1 ? field : field.slice(0, end)
}
