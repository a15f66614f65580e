/**
 * How a relayed connection ended.
 * closed: both sides said that they had nothing more to send
 * reset-by-caller, reset-by-endpoint: that side broke it off
 * half-closed-timeout: one side had ended, and the other was silent for too long
 * stopped: cut off when the ambassador ended
 */
export type RelayEnd = 'closed' | 'reset-by-caller' | 'reset-by-endpoint' | 'half-closed-timeout' | 'stopped';
