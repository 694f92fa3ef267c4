import { readPem, requireContext } from '../doors/pem.ts'

/** Files in PEM that a client speaks TLS by. */
export interface ClientTlsFiles {
  /** Authorities, instead of those that Node trusts. */
  caFile: string | undefined
  /** What the client shows of itself, and its key: both or none. */
  certFile: string | undefined
  keyFile: string | undefined
}

/** What they hold, for an https agent. Throws DoorFileError where they cannot be used. */
export function readClientTls(files: ClientTlsFiles): { ca?: Buffer; cert?: Buffer; key?: Buffer } {
  const { caFile, certFile, keyFile } = files
  if (caFile === undefined && certFile === undefined && keyFile === undefined) return {}
  const tls = {
    ...(caFile === undefined ? {} : { ca: readPem(caFile, 'authority') }),
    ...(certFile === undefined ? {} : { cert: readPem(certFile, 'certificate') }),
    ...(keyFile === undefined ? {} : { key: readPem(keyFile, 'key') }),
  }
  requireContext(tls, [caFile, certFile, keyFile])
  return tls
}
