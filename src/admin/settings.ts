/** What the admin server is told. */
export interface AdminSettings {
  readonly port: number;
  /** Absent: nobody is asked for one, and only this machine (its own network namespace) is listened to. */
  readonly password?: string;
}
