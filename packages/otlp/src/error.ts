/** What is wrong with bytes that should have been OTLP. A closed set: callers map each code to a status of their own. */
export type OtlpErrorCode =
  | 'TRUNCATED' // A value or a length reaches past the end of the message that holds it.
  | 'BAD_VARINT' // A varint longer than ten bytes, or a length beyond 32 bits.
  | 'BAD_TAG' // Field number 0, a wire type that does not exist, or a group that does not close.
  | 'TOO_DEEP' // Messages nested beyond any use.
  | 'TOO_LONG' // A string or a number of JSON longer than any use.
  | 'TOO_LARGE' // More than the caller wants to hold.
  | 'NOT_UTF8' // A string that is not UTF-8.
  | 'NOT_JSON' // Text that does not parse as JSON.
  | 'BAD_JSON_FIELD' // A JSON value that its field cannot hold.
  | 'BAD_SPOOL_FILE' // A spool file that is torn, or that this version does not know.

/** Bytes that cannot be decoded. `offset` is in bytes, from the start of what was given. */
export class OtlpError extends Error {
  readonly code: OtlpErrorCode
  readonly offset: number

  constructor(code: OtlpErrorCode, offset: number, message: string, options?: ErrorOptions) {
    super(`${message} (at ${offset})`, options)
    this.name = 'OtlpError'
    this.code = code
    this.offset = offset
  }
}
