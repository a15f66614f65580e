/** Numbers of the kernel's helpers (uapi/linux/bpf.h, enum bpf_func_id) and the Linux version that brought each to the hooks here. */
export const helper = {
  /** (map, key) -> the value's address or 0 */
  mapLookup: 1,
  /** () -> 32 random bits */
  random: 7,
  /** (context, tuple, size, namespace, flags) -> a socket or 0, to be released. Linux 4.20 */
  lookupTcpSocket: 84,
  /** (socket) */
  releaseSocket: 86,
  /** (map, socket, initial value or 0, flags) -> the value's address or 0. Linux 5.8 */
  socketStorage: 107,
  /** (context) -> the network namespace's number, never given twice. Linux 5.7 */
  namespaceCookie: 122,
  /** (context, socket, flags) -> 0, or an error's number below zero: the connection goes to that listening socket. Linux 5.9 */
  assignSocket: 124,
} as const;

/** BPF_SK_STORAGE_GET_F_CREATE: a socket without a value gets one. */
export const createStorage = 1;

/** BPF_F_CURRENT_NETNS: the namespace of the socket that the hook runs for. */
export const currentNamespace = -1;
