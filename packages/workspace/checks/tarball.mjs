import { gunzipSync } from 'node:zlib'

const blockSize = 512

/**
 * The paths of the files in an npm tarball, without the `package/` that stands before each.
 * @param {Buffer} tarball
 * @returns {string[]}
 */
export function tarballPaths(tarball) {
  const archive = gunzipSync(tarball)
  const paths = []
  for (let offset = 0; offset < archive.length; ) {
    const header = archive.subarray(offset, offset + blockSize)
    const name = text(header, 0, 100)
    const size = Number.parseInt(text(header, 124, 12), 8) || 0
    const type = text(header, 156, 1)
    const folder = text(header, 345, 155)
    if (name !== '' && (type === '0' || type === '')) paths.push(folder === '' ? name : `${folder}/${name}`)
    offset += blockSize + Math.ceil(size / blockSize) * blockSize
  }
  return paths.map((path) => path.replace(/^package\//, ''))
}

/**
 * A field of a header ends at its first zero byte.
 * @param {Buffer} header
 * @param {number} start
 * @param {number} length
 */
function text(header, start, length) {
  const field = header.subarray(start, start + length).toString('utf8')
  const end = field.indexOf('\0')
  return end === -1 ? field : field.slice(0, end)
}
