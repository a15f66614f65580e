/** The gateway's own answers: short, the same for every client, and without a word about what stands behind. */

const pages: Readonly<Record<number, readonly [title: string, text: string]>> = {
  200: ['OK', ''],
  400: ['Bad Request', 'The request is not valid HTTP.'],
  404: ['Not Found', 'There is no application of this name here.'],
  405: ['Method Not Allowed', 'This method is not served here.'],
  408: ['Request Timeout', 'The request did not arrive in time.'],
  414: ['URI Too Long', 'The address of the request is too long.'],
  431: ['Request Header Fields Too Large', 'The header of the request is too large.'],
  501: ['Not Implemented', 'This transfer coding is not served here.'],
  502: ['Bad Gateway', 'The application gave no valid answer.'],
  503: ['Service Unavailable', 'The application is not available at the moment.'],
  504: ['Gateway Timeout', 'The application did not answer in time.'],
  505: ['HTTP Version Not Supported', 'Only HTTP/1.1 and HTTP/1.0 are served here.'],
};

const methods = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';

/**
 * A whole response, head and page.
 *
 * @param isBodiless the request's method is HEAD: the page is left out, its length stays
 */
export function pageResponse(status: number, isBodiless: boolean, isKept: boolean, date: string): string {
  const [title, text] = pages[status] ?? [`Status ${status}`, ''];
  const body =
    text === ''
      ? ''
      : `<!doctype html>\n<html lang="en"><title>${status} ${title}</title>\n<h1>${status} ${title}</h1>\n<p>${text}</p>\n</html>\n`;
  const allow = status === 405 || status === 200 ? `Allow: ${methods}\r\n` : '';
  const head =
    `HTTP/1.1 ${status} ${title}\r\nDate: ${date}\r\nContent-Type: text/html; charset=utf-8\r\n` +
    `Content-Length: ${body.length}\r\nCache-Control: no-store\r\n${allow}` +
    `Connection: ${isKept ? 'keep-alive' : 'close'}\r\n\r\n`;
  return isBodiless ? head : head + body;
}
