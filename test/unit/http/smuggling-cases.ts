/**
 * Requests whose framing, host or lines have more than one reading: what request smuggling is made of. Each with where it
 * is published. `status` is what a client must get; the endpoint must not see one byte of a refused request.
 *
 * Sources: RFC 9112; PortSwigger, "HTTP Desync Attacks" (Kettle, 2019: CL.TE, TE.CL, TE.TE), "Browser-Powered Desync
 * Attacks" (2022: CL.0), "HTTP/1.1 must die" (2025: 0.CL, Expect); Linhart and others, "HTTP Request Smuggling" (2005); CVE ids.
 */
export interface SmugglingCase {
  readonly name: string;
  readonly request: string;
  readonly status: number;
}

const host = 'Host: a.example\r\n';
const post = `POST / HTTP/1.1\r\n${host}`;
const chunked = 'Transfer-Encoding: chunked\r\n';
const inner = `GET /smuggled HTTP/1.1\r\n${host}\r\n`;

/** A chunked body of one piece of framing that is to be refused. */
const body = (text: string) => `${post}${chunked}\r\n${text}`;

export const refused: readonly SmugglingCase[] = [
  // Two lengths.
  {
    name: 'CL.TE (PortSwigger 2019)',
    status: 400,
    request: `${post}Content-Length: 6\r\n${chunked}\r\n0\r\n\r\nG`,
  },
  {
    name: 'TE.CL (PortSwigger 2019)',
    status: 400,
    request: `${post}${chunked}Content-Length: 3\r\n\r\n1\r\nZ\r\n0\r\n\r\n`,
  },
  {
    name: 'differing Content-Length (RFC 9112 6.3; Linhart 2005)',
    status: 400,
    request: `${post}Content-Length: 0\r\nContent-Length: 5\r\n\r\nhello`,
  },
  {
    name: 'equal Content-Length twice (RFC 9112 6.3)',
    status: 400,
    request: `${post}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`,
  },
  {
    name: 'Content-Length list (RFC 9112 6.3)',
    status: 400,
    request: `${post}Content-Length: 5, 5\r\n\r\nhello`,
  },
  {
    name: 'Content-Length with a sign (CVE-2018-7159; llhttp HPE_INVALID_CONTENT_LENGTH)',
    status: 400,
    request: `${post}Content-Length: +5\r\n\r\nhello`,
  },
  {
    name: 'negative Content-Length (RFC 9110 8.6)',
    status: 400,
    request: `${post}Content-Length: -1\r\n\r\n`,
  },
  {
    name: 'hexadecimal Content-Length (RFC 9110 8.6)',
    status: 400,
    request: `${post}Content-Length: 0x5\r\n\r\nhello`,
  },
  {
    name: 'Content-Length with a space inside (CVE-2018-7159)',
    status: 400,
    request: `${post}Content-Length: 4 2\r\n\r\nhello`,
  },
  {
    name: 'empty Content-Length (CVE-2024-45302; RFC 9110 8.6)',
    status: 400,
    request: `${post}Content-Length: \r\n\r\n${inner}`,
  },
  {
    name: 'Content-Length beyond any integer (CVE-2021-40346, HAProxy)',
    status: 400,
    request: `${post}Content-Length: 99999999999999999999\r\n\r\n`,
  },
  {
    name: 'a header name that overflows into Content-Length (CVE-2021-40346, HAProxy)',
    status: 400,
    request: `${post}Content-Length0${'a'.repeat(255)}: \r\nContent-Length: 60\r\nContent-Length: 5\r\n\r\nhello`,
  },
  // Transfer-Encoding that only some take for chunked.
  ...[
    ['TE.TE xchunked (PortSwigger 2019)', 'Transfer-Encoding: xchunked'],
    ['TE.TE space before the colon (PortSwigger 2019; CVE-2019-16869, Netty)', 'Transfer-Encoding : chunked'],
    [
      'TE.TE two of them (PortSwigger 2019; CVE-2020-8287, Node)',
      'Transfer-Encoding: chunked\r\nTransfer-Encoding: x',
    ],
    [
      'TE.TE two of them, chunked last (CVE-2020-8287, Node)',
      'Transfer-Encoding: x\r\nTransfer-Encoding: chunked',
    ],
    ['TE.TE tab before the value and text after it (PortSwigger 2019)', 'Transfer-Encoding:\tchunked\tx'],
    ['TE.TE vertical tab (PortSwigger 2019; CVE-2019-18277, HAProxy)', 'Transfer-Encoding:\x0bchunked'],
    ['TE.TE form feed after it (CVE-2019-18277, HAProxy)', 'Transfer-Encoding: chunked\x0c'],
    ['TE.TE quoted (RFC 9112 7)', 'Transfer-Encoding: "chunked"'],
    ['TE.TE folded (PortSwigger 2019; RFC 9112 5.2)', 'Transfer-Encoding:\r\n chunked'],
    ['TE.TE a header before it that is folded (PortSwigger 2019)', 'X: x\r\n Transfer-Encoding: chunked'],
    ['TE.TE after a bare LF (PortSwigger 2019)', 'X: x\nTransfer-Encoding: chunked'],
    ['TE.TE after a bare CR (CVE-2023-30589, Node)', 'X: x\rTransfer-Encoding: chunked'],
    ['TE.TE space before the name (PortSwigger 2019)', ' Transfer-Encoding: chunked'],
    ['TE.TE NUL after it (RFC 9110 5.5)', 'Transfer-Encoding: chunked\0'],
    ['TE.TE chunked twice (RFC 9112 6.1)', 'Transfer-Encoding: chunked, chunked'],
    ['TE.TE chunked, then identity (CVE-2022-32213, Node)', 'Transfer-Encoding: chunked, identity'],
    ['TE.TE identity (RFC 7230 A.2 took it out)', 'Transfer-Encoding: identity'],
    ['TE.TE empty (CVE-2022-32215, Node)', 'Transfer-Encoding: '],
    ['TE.TE chunked with a comma before it (CVE-2022-32215, Node)', 'Transfer-Encoding: , chunked'],
    ['TE.TE chunked with a parameter (RFC 9112 7)', 'Transfer-Encoding: chunked;q=1'],
    ['TE.TE a byte above ASCII (PortSwigger 2019)', 'Transfer-Encoding: chunked\xff'],
    ['TE.TE a byte above ASCII in the name (Kettle 2019)', 'Transfer-Encoding\xff: chunked'],
  ].map(([name = '', line = '']) => ({ name, status: 400, request: `${post}${line}\r\n\r\n0\r\n\r\n` })),
  {
    name: 'a coding that is known but not served (RFC 9112 6.1)',
    status: 501,
    request: `${post}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
  },
  {
    name: 'Transfer-Encoding in HTTP/1.0 (RFC 9112 6.1)',
    status: 400,
    request: `POST / HTTP/1.0\r\n${host}${chunked}\r\n0\r\n\r\n`,
  },
  // Lines.
  {
    name: 'bare LF throughout (RFC 9112 2.2)',
    status: 400,
    request: `GET / HTTP/1.1\n${host.replace('\r', '')}\n`,
  },
  {
    name: 'bare LF ends a header (RFC 9112 2.2)',
    status: 400,
    request: `GET / HTTP/1.1\r\n${host}X: y\n\r\n\r\n`,
  },
  {
    name: 'bare CR in a value (RFC 9112 2.2)',
    status: 400,
    request: `GET / HTTP/1.1\r\n${host}X: a\rb\r\n\r\n`,
  },
  { name: 'obs-fold (RFC 9112 5.2)', status: 400, request: `GET / HTTP/1.1\r\n${host}X: a\r\n b\r\n\r\n` },
  {
    name: 'space before the first header (RFC 9112 2.2; CVE-2019-20444, Netty)',
    status: 400,
    request: `GET / HTTP/1.1\r\n ${host}\r\n`,
  },
  {
    name: 'space before the colon (RFC 9112 5.1)',
    status: 400,
    request: 'GET / HTTP/1.1\r\nHost : a.example\r\n\r\n',
  },
  {
    name: 'no colon (CVE-2019-20444, Netty)',
    status: 400,
    request: `GET / HTTP/1.1\r\n${host}Content-Length\r\n\r\n`,
  },
  { name: 'no name (CVE-2023-25725, HAProxy)', status: 400, request: `GET / HTTP/1.1\r\n${host}: x\r\n\r\n` },
  { name: 'NUL in a value (RFC 9110 5.5)', status: 400, request: `GET / HTTP/1.1\r\n${host}X: a\0b\r\n\r\n` },
  {
    name: 'no header name that is a token (RFC 9110 5.1)',
    status: 400,
    request: `GET / HTTP/1.1\r\n${host}X(y): z\r\n\r\n`,
  },
  // The request line.
  { name: 'two spaces (RFC 9112 3)', status: 400, request: `GET  / HTTP/1.1\r\n${host}\r\n` },
  { name: 'tab for a space (RFC 9112 3)', status: 400, request: `GET\t/ HTTP/1.1\r\n${host}\r\n` },
  { name: 'space at the end (RFC 9112 3)', status: 400, request: `GET / HTTP/1.1 \r\n${host}\r\n` },
  { name: 'space in the target (RFC 9112 3.2)', status: 400, request: `GET /a b HTTP/1.1\r\n${host}\r\n` },
  {
    name: 'fragment in the target (CVE-2023-45539, HAProxy)',
    status: 400,
    request: `GET /index.html#.png HTTP/1.1\r\n${host}\r\n`,
  },
  {
    name: 'a byte above ASCII in the target (RFC 9112 3.2)',
    status: 400,
    request: `GET /\xff HTTP/1.1\r\n${host}\r\n`,
  },
  { name: 'HTTP/0.9 (RFC 9112 3)', status: 400, request: 'GET /\r\n\r\n' },
  { name: 'lower case version (RFC 9112 2.3)', status: 400, request: `GET / http/1.1\r\n${host}\r\n` },
  { name: 'two digits of version (RFC 9112 2.3)', status: 400, request: `GET / HTTP/1.10\r\n${host}\r\n` },
  { name: 'HTTP/2 preface (RFC 9113 3.4)', status: 505, request: 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' },
  { name: 'a method that is no token (RFC 9110 9.1)', status: 400, request: `G(T / HTTP/1.1\r\n${host}\r\n` },
  {
    name: 'a target that is a path without its slash (PortSwigger, "Cracking the lens", 2017)',
    status: 400,
    request: `GET a@b/ HTTP/1.1\r\n${host}\r\n`,
  },
  {
    name: '"*" of another method than OPTIONS (RFC 9112 3.2.4)',
    status: 400,
    request: `GET * HTTP/1.1\r\n${host}\r\n`,
  },
  { name: 'CONNECT (RFC 9110 9.3.6)', status: 405, request: `CONNECT a.example:80 HTTP/1.1\r\n${host}\r\n` },
  { name: 'TRACE (RFC 9110 9.3.8)', status: 405, request: `TRACE / HTTP/1.1\r\n${host}\r\n` },
  // Host.
  { name: 'no Host (RFC 9112 3.2)', status: 400, request: 'GET / HTTP/1.1\r\nX: y\r\n\r\n' },
  {
    name: 'two Hosts (RFC 9112 3.2)',
    status: 400,
    request: `GET / HTTP/1.1\r\n${host}Host: b.example\r\n\r\n`,
  },
  {
    name: 'the same Host twice (RFC 9112 3.2)',
    status: 400,
    request: `GET / HTTP/1.1\r\n${host}${host}\r\n`,
  },
  {
    name: 'a list in Host (RFC 9112 3.2)',
    status: 400,
    request: 'GET / HTTP/1.1\r\nHost: a.example, b.example\r\n\r\n',
  },
  { name: 'empty Host (RFC 9112 3.2)', status: 400, request: 'GET / HTTP/1.1\r\nHost: \r\n\r\n' },
  {
    name: 'user information in Host (RFC 9110 4.2.4)',
    status: 400,
    request: 'GET / HTTP/1.1\r\nHost: x@a.example\r\n\r\n',
  },
  {
    name: 'a path in Host (PortSwigger, "Cracking the lens", 2017)',
    status: 400,
    request: 'GET / HTTP/1.1\r\nHost: a.example/x\r\n\r\n',
  },
  {
    name: 'a port that is none (RFC 9110 7.2)',
    status: 400,
    request: 'GET / HTTP/1.1\r\nHost: a.example:80a\r\n\r\n',
  },
  {
    name: 'a bad Host beside an absolute target (RFC 9112 3.2.2)',
    status: 400,
    request: 'GET http://a.example/ HTTP/1.1\r\nHost: a b\r\n\r\n',
  },
  {
    name: 'user information in an absolute target (RFC 9110 4.2.4)',
    status: 400,
    request: `GET http://x@a.example/ HTTP/1.1\r\n${host}\r\n`,
  },
  // Chunks.
  { name: 'chunk size with a sign (RFC 9112 7.1)', status: 400, request: body('+5\r\nhello\r\n0\r\n\r\n') },
  { name: 'negative chunk size (RFC 9112 7.1)', status: 400, request: body('-1\r\n\r\n') },
  {
    name: 'chunk size 0x5 (CVE-2019-16785 and others)',
    status: 400,
    request: body('0x5\r\nhello\r\n0\r\n\r\n'),
  },
  {
    name: 'chunk size that overflows (CVE-2013-2028, nginx; CVE-2015-3183, Apache)',
    status: 400,
    request: body('fffffffffffffffff0\r\nhello\r\n'),
  },
  {
    name: 'chunk size that wraps to a small one (CVE-2019-15605)',
    status: 400,
    request: body('10000000000000005\r\nhello\r\n0\r\n\r\n'),
  },
  {
    name: 'chunk size with an underscore (CVE-2023-30589 class; Python int())',
    status: 400,
    request: body('1_0\r\n'),
  },
  {
    name: 'space before the chunk size (RFC 9112 7.1)',
    status: 400,
    request: body(' 5\r\nhello\r\n0\r\n\r\n'),
  },
  { name: 'no chunk size (RFC 9112 7.1)', status: 400, request: body('\r\nhello\r\n0\r\n\r\n') },
  {
    name: 'bare LF after the chunk size (CVE-2025-22871, Go; Kallus 2025)',
    status: 400,
    request: body('5\nhello\r\n0\r\n\r\n'),
  },
  {
    name: 'bare LF in a chunk extension (TERM.EXT; CVE-2024-22020 class; Jeppe Weikop 2025)',
    status: 400,
    request: body('5;x\nx\r\nhello\r\n0\r\n\r\n'),
  },
  {
    name: 'bare CR in a chunk extension (CVE-2021-22959 class, llhttp)',
    status: 400,
    request: body('5;a\rb\r\nhello\r\n0\r\n\r\n'),
  },
  {
    name: 'no CRLF after a chunk (EXT.TERM; RFC 9112 7.1)',
    status: 400,
    request: body('5\r\nhelloX\r\n0\r\n\r\n'),
  },
  {
    name: 'bare LF after a chunk (CVE-2021-22960, llhttp)',
    status: 400,
    request: body('5\r\nhello\n0\r\n\r\n'),
  },
  {
    name: 'more data than the chunk size (TERM.SPILL)',
    status: 400,
    request: body('4\r\nhello\r\n0\r\n\r\n'),
  },
  {
    name: 'a chunk extension without end (CVE-2024-22019, Node)',
    status: 400,
    request: body(`5;${'a'.repeat(10_000)}`),
  },
  { name: 'space before a trailer’s colon (RFC 9112 5.1)', status: 400, request: body('0\r\nX : y\r\n\r\n') },
  { name: 'folded trailer (RFC 9112 5.2)', status: 400, request: body('0\r\nX: a\r\n b\r\n\r\n') },
  { name: 'bare LF ends the trailers (RFC 9112 2.2)', status: 400, request: body('0\r\nX: a\n\r\n') },
  // Bounds.
  {
    name: 'a target of 20,000 bytes',
    status: 414,
    request: `GET /${'a'.repeat(20_000)} HTTP/1.1\r\n${host}\r\n`,
  },
  {
    name: 'a head of 40,000 bytes',
    status: 431,
    request: `GET / HTTP/1.1\r\n${host}X: ${'a'.repeat(40_000)}\r\n\r\n`,
  },
  {
    name: 'a head of 40,000 bytes without its end',
    status: 431,
    request: `GET / HTTP/1.1\r\n${host}X: ${'a'.repeat(40_000)}`,
  },
  {
    name: '200 header fields',
    status: 431,
    request: `GET / HTTP/1.1\r\n${host}${'X: y\r\n'.repeat(200)}\r\n`,
  },
];

/** What may be passed on, with the requests that the endpoint must then see, each as `METHOD target body`. */
export const passedOn: readonly {
  readonly name: string;
  readonly request: string;
  readonly seen: readonly string[];
}[] = [
  {
    name: 'CL.0: a GET with a body keeps it (PortSwigger 2022)',
    request: `GET /a HTTP/1.1\r\n${host}Content-Length: ${inner.length}\r\n\r\n${inner}`,
    seen: [`GET /a ${inner}`],
  },
  {
    name: '0.CL: Expect with a body that comes at once (PortSwigger 2025)',
    request: `POST /a HTTP/1.1\r\n${host}Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello`,
    seen: ['POST /a hello'],
  },
  {
    name: 'a chunked body with a request in it',
    request: `POST /a HTTP/1.1\r\n${host}${chunked}\r\n${inner.length.toString(16)}\r\n${inner}\r\n0\r\n\r\n`,
    seen: [`POST /a ${inner}`],
  },
  {
    name: 'chunk extensions are left out (RFC 9112 7.1.1)',
    request: `POST /a HTTP/1.1\r\n${host}${chunked}\r\n5;a=b;c="d"\r\nhello\r\n0;e\r\n\r\n`,
    seen: ['POST /a hello'],
  },
  {
    name: 'Connection names Content-Length (hop-by-hop abuse, Nathan Davison 2019)',
    request: `POST /a HTTP/1.1\r\n${host}Connection: close, content-length, host\r\nContent-Length: 5\r\n\r\nhello`,
    seen: ['POST /a hello'],
  },
  {
    name: 'Connection names Transfer-Encoding (hop-by-hop abuse)',
    request: `POST /a HTTP/1.1\r\n${host}Connection: transfer-encoding\r\n${chunked}\r\n5\r\nhello\r\n0\r\n\r\n`,
    seen: ['POST /a hello'],
  },
  {
    name: 'empty lines before a request (RFC 9112 2.2)',
    request: `\r\n\r\nGET /a HTTP/1.1\r\n${host}\r\n`,
    seen: ['GET /a '],
  },
  {
    name: 'a target in absolute form replaces Host (RFC 9112 3.2.2)',
    request: 'GET http://a.example/a HTTP/1.1\r\nHost: other.example\r\n\r\n',
    seen: ['GET /a '],
  },
  {
    name: 'h2c is not passed on (Bishop Fox 2020)',
    request: `GET /a HTTP/1.1\r\n${host}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n`,
    seen: ['GET /a '],
  },
  {
    name: 'two requests at once (RFC 9112 9.3.2)',
    request: `GET /a HTTP/1.1\r\n${host}\r\nGET /b HTTP/1.1\r\n${host}\r\n`,
    seen: ['GET /a ', 'GET /b '],
  },
];
