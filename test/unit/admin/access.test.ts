import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { hasPassword, isLoopbackHost } from '../../../src/admin/access.ts';

const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;

describe('hasPassword', () => {
  it('takes any user name with the password', () => {
    for (const pair of ['admin:s3cret', ':s3cret', 'jürgen:s3cret'])
      assert.ok(hasPassword(basic(pair), 's3cret'));
    assert.ok(hasPassword(basic('a:b:c'), 'b:c'), 'the user name ends at the first colon');
    assert.ok(hasPassword(basic('a:pässword'), 'pässword'));
    assert.ok(hasPassword(basic('a:x').replace('Basic', 'bAsIc  '), 'x'));
  });

  it('takes nothing else', () => {
    const wrong = ['admin:s3cre', 'admin:s3crets', 's3cret:', 's3cret', '', ':', 'admin:S3CRET'];
    for (const pair of wrong) assert.ok(!hasPassword(basic(pair), 's3cret'), pair);
    const malformed = [
      undefined,
      '',
      'Basic',
      'Basic ',
      'Bearer s3cret',
      's3cret',
      `Basic ${basic('a:s3cret')}`,
    ];
    for (const header of malformed) assert.ok(!hasPassword(header, 's3cret'), header);
  });

  it('holds for any password and any other', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (password, other) => {
        assert.ok(hasPassword(basic(`u:${password}`), password));
        if (other !== password) assert.ok(!hasPassword(basic(`u:${other}`), password));
      }),
    );
  });
});

describe('isLoopbackHost', () => {
  it('takes names of this machine alone', () => {
    const own = ['localhost', 'LOCALHOST:8080', '127.0.0.1', '127.1.2.3:80', '[::1]', '[::1]:8080'];
    for (const host of own) assert.ok(isLoopbackHost(host), host);
    const others = [
      undefined,
      '',
      'evil.example',
      'localhost.evil.example:8080',
      '127.0.0.1.evil.example',
      '10.0.0.1',
    ];
    for (const host of others) assert.ok(!isLoopbackHost(host), host);
  });
});
