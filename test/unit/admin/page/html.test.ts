import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { html } from '../../../../src/admin/page/html.ts';

describe('html', () => {
  it('escapes what is put in, and puts HTML in as it is', () => {
    const inner = html`<b>${'<i>'}</b>`;
    assert.equal(
      html`<p title="${`"a" & 'b'`}">${inner}${[inner, 'x']}</p>`.text,
      '<p title="&quot;a&quot; &amp; &#39;b&#39;"><b>&lt;i&gt;</b><b>&lt;i&gt;</b>x</p>',
    );
  });

  it('leaves out what is not there, and keeps zero', () => {
    assert.equal(html`${undefined}${false}${0}${''}${[]}`.text, '0');
  });

  it('shows characters that hide or turn text around as what they are', () => {
    assert.equal(html`${'a\u0000b\u202ec\nd'}`.text, 'a\ufffdb\ufffdc\ufffdd');
  });

  it('lets no text end an element or an attribute', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const { text: made } = html`${text}`;
        assert.doesNotMatch(made, /[<>"'\p{Cc}]/u);
        assert.doesNotMatch(made, /&(?!(amp|lt|gt|quot|#39);)/);
      }),
    );
  });
});
