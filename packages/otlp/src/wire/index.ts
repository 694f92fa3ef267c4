export { Reader } from './reader.ts'
export { release } from './release.ts'
export { Writer } from './writer.ts'
export { OtlpError, type OtlpErrorCode } from '../error.ts'
