import {
  type Fault,
  type Field,
  type Framing,
  fault,
  listItems,
  passedOn,
  readFields,
  statedFraming,
} from './field-lines.ts';

/** A response as an endpoint sent it. */
export interface ResponseHead {
  readonly kind: 'response';
  readonly status: number;
  readonly reason: string;
  readonly isHttp11: boolean;
  readonly framing: Framing;
  /** Content-Length as it came; also of a response that has no body because it answers HEAD. */
  readonly length?: string;
  /** Whether the endpoint would go on using the connection. */
  readonly isKept: boolean;
  /** How long the endpoint says that it keeps an idle connection, ms. */
  readonly keptMs?: number;
  readonly upgrade?: string;
  /** The other field lines, `Name: value\r\n` each. */
  readonly fields: string;
}

const statusLine = /^HTTP\/1\.(\d) ([1-9]\d\d)(?: ([\t -~\x80-\xff]*))?$/;

/**
 * Reads the head of a response.
 *
 * @param text   as latin1: status line and field lines, without the empty line at the end
 * @param method of the request that it answers: a response to HEAD has no body, whatever it says
 * @returns      a fault of status 502 where anything about it is ambiguous
 * Source: RFC 9112 4, 6.3
 */
export function readResponseHead(text: string, method: string): ResponseHead | Fault {
  const lines = text.split('\r\n');
  const first = lines[0] ?? '';
  const parts = statusLine.exec(first);
  if (parts === null) return fault(502, `the status line ${JSON.stringify(first.slice(0, 40))}`);
  const [, minor = '', code = '', reason = ''] = parts;
  const isHttp11 = minor !== '0';
  const fields = readFields(lines, 1, 502);
  if ('kind' in fields) return fields;
  const stated = statedFraming(fields, isHttp11, 502);
  if (stated?.kind === 'fault') return stated;
  const status = Number(code);
  const isBodiless = method === 'HEAD' || status < 200 || status === 204 || status === 304;
  return {
    kind: 'response',
    status,
    reason,
    isHttp11,
    framing: isBodiless ? { kind: 'none' } : (stated ?? { kind: 'until-close' }),
    ...readOptions(fields, isHttp11),
  };
}

function readOptions(fields: readonly Field[], isHttp11: boolean) {
  let connection = '';
  let upgrade: string | undefined;
  let length: string | undefined;
  let keptMs: number | undefined;
  for (const { key, value } of fields) {
    if (key === 'connection') connection += `,${value}`;
    else if (key === 'upgrade') upgrade = value;
    else if (key === 'content-length') length = value;
    else if (key === 'keep-alive') {
      const seconds = /(?:^|[,\s])timeout=(\d{1,6})/i.exec(value)?.[1];
      if (seconds !== undefined) keptMs = Number(seconds) * 1000;
    }
  }
  const wishes = connection === '' ? [] : listItems(connection);
  return {
    isKept: !wishes.includes('close') && (isHttp11 || wishes.includes('keep-alive')),
    fields: passedOn(fields, (key) => key === 'content-length'),
    ...(upgrade === undefined ? {} : { upgrade }),
    ...(length === undefined ? {} : { length }),
    ...(keptMs === undefined ? {} : { keptMs }),
  };
}
