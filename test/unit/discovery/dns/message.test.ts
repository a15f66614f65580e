import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Packet } from 'dns2';
import fc from 'fast-check';
import { canonicalIp } from '../../../../src/core/address.ts';
import { encodeQuery, type Query, readAnswer } from '../../../../src/discovery/dns/message.ts';
import { a, aaaa, cname, rcode, reply, srv } from '../../../support/dns-server.ts';

const query = { id: 4711, name: 'db.example', type: 'A' } as const satisfies Query;

function encoded(wanted: Query): Buffer {
  const bytes = encodeQuery(wanted);
  assert.ok(bytes.ok);
  return bytes.value;
}

function answered(
  ...[answers, header]: [Parameters<typeof reply>[1]?, Parameters<typeof reply>[2]?]
): Buffer {
  return reply(Packet.parse(encoded(query)), answers, header).toBuffer();
}

describe('query', () => {
  it('asks for the name and the type, with recursion', () => {
    const packet = Packet.parse(encoded(query));
    const { id, qr, rd } = packet.header;
    assert.deepEqual({ id, qr, rd }, { id: 4711, qr: 0, rd: 1 });
    assert.deepEqual({ ...packet.questions[0] }, { name: 'db.example', type: 1, class: 1 });
  });

  it('refuses a name that does not fit', () => {
    const bytes = encodeQuery({ ...query, name: `${'x'.repeat(64)}.example` });
    assert.equal(bytes.ok, false);
  });
});

describe('answer', () => {
  it('has the records of the name with the least time to live', () => {
    const bytes = answered([
      a('db.example', '10.0.0.1', 60),
      a('DB.example', '10.0.0.2', 30),
      a('other', '10.0.0.3', 1),
    ]);
    assert.deepEqual(readAnswer(bytes, query), {
      kind: 'records',
      records: ['10.0.0.1', '10.0.0.2'],
      ttlSeconds: 30,
    });
  });

  it('has IPv6 addresses in their canonical form', () => {
    const wanted = { ...query, type: 'AAAA' } as const;
    const bytes = reply(Packet.parse(encoded(wanted)), [
      aaaa('db.example', '2001:db8:0:0:0:0:0:1'),
    ]).toBuffer();
    assert.deepEqual(readAnswer(bytes, wanted), {
      kind: 'records',
      records: ['2001:db8::1'],
      ttlSeconds: 60,
    });
  });

  it('follows aliases whatever their order, and takes the least time to live of the chain', () => {
    const bytes = answered([a('c', '10.0.0.1', 60), cname('b', 'C', 20), cname('db.example', 'b', 40)]);
    assert.deepEqual(readAnswer(bytes, query), { kind: 'records', records: ['10.0.0.1'], ttlSeconds: 20 });
  });

  it('does not follow aliases in a circle', () => {
    const bytes = answered([cname('db.example', 'b'), cname('b', 'db.example')]);
    assert.equal(readAnswer(bytes, query).kind, 'failed');
  });

  const verdicts: readonly (readonly [what: string, bytes: Buffer, expected: object])[] = [
    ['NXDOMAIN', answered([], { rcode: rcode.nxdomain }), { kind: 'nonexistent', what: 'name' }],
    ['no record of the type', answered([]), { kind: 'nonexistent', what: 'type' }],
    ['an owner\'s "no record"', answered([], { ra: 0, aa: 1 }), { kind: 'nonexistent', what: 'type' }],
    ['an alias to nothing', answered([cname('db.example', 'b')]), { kind: 'nonexistent', what: 'type' }],
    ['SERVFAIL', answered([], { rcode: rcode.servfail }), { kind: 'failed', why: 'SERVFAIL' }],
    ['REFUSED', answered([], { rcode: rcode.refused }), { kind: 'failed', why: 'REFUSED' }],
    ['an unknown code', answered([], { rcode: 9 }), { kind: 'failed', why: 'response code 9' }],
    ['truncated', answered([a('db.example', '10.0.0.1')], { tc: 1 }), { kind: 'truncated' }],
    ['another id', answered([], { id: 4712 }), { kind: 'unrelated' }],
    ['a question instead', answered([], { qr: 0 }), { kind: 'unrelated' }],
    ['empty', Buffer.alloc(0), { kind: 'unrelated' }],
  ];
  for (const [what, bytes, expected] of verdicts) {
    it(what, () => assert.deepEqual(readAnswer(bytes, query), expected));
  }

  it('belongs to another name, type or class: unrelated', () => {
    for (const other of [
      { name: 'db.example.org', type: 1, class: 1 },
      { name: 'db.example', type: 28, class: 1 },
      { name: 'db.example', type: 1, class: 3 },
    ]) {
      const packet = reply(Packet.parse(encoded(query)), [a('db.example', '10.0.0.1')]);
      packet.questions = [new Packet.Question(other)];
      assert.equal(readAnswer(packet.toBuffer(), query).kind, 'unrelated');
    }
  });

  it('is no "there is none" where the server only points elsewhere', () => {
    for (const bytes of [answered([], { ra: 0 }), answered([cname('db.example', 'b')], { ra: 0, aa: 1 })]) {
      assert.equal(readAnswer(bytes, query).kind, 'failed');
    }
  });

  it('with a damaged record is no smaller set', () => {
    const whole = answered([a('db.example', '10.0.0.1'), a('db.example', '10.0.0.2')]);
    assert.equal(readAnswer(whole.subarray(0, -1), query).kind, 'failed');
    const short = Buffer.from(whole);
    short.writeUInt16BE(3, short.length - 6);
    assert.equal(readAnswer(short, query).kind, 'failed');
  });

  it('with counts that its bytes cannot hold is refused before it is read', () => {
    for (const offset of [4, 6]) {
      const bytes = answered([a('db.example', '10.0.0.1')]);
      bytes.writeUInt16BE(0xffff, offset);
      assert.equal(readAnswer(bytes, query).kind, 'failed');
    }
  });

  it('never throws, whatever the bytes', () => {
    const genuine = answered([cname('db.example', 'b'), a('b', '10.0.0.1')]);
    const damage = fc.array(fc.tuple(fc.nat(genuine.length - 1), fc.nat(255)), { maxLength: 8 });
    fc.assert(
      fc.property(damage, fc.nat(genuine.length), (changes, end) => {
        const bytes = Buffer.from(genuine);
        for (const [at, value] of changes) bytes.writeUInt8(value, at);
        const { kind } = readAnswer(bytes.subarray(0, end), query);
        assert.ok(['records', 'nonexistent', 'truncated', 'failed', 'unrelated'].includes(kind));
      }),
      { numRuns: 1000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (random) => {
        const bytes = Buffer.concat([Buffer.from([0x12, 0x67, 0x80, 0x80]), random]);
        readAnswer(bytes, query);
      }),
    );
  });
});

describe('answer with SRV records', () => {
  const wanted = { ...query, type: 'SRV' } as const;
  const message = (...[answers, additionals, header]: SrvReply) =>
    reply(Packet.parse(encoded(wanted)), answers, header, additionals);
  type SrvReply = [Parameters<typeof reply>[1], Parameters<typeof reply>[3]?, Parameters<typeof reply>[2]?];
  const option = { name: '', type: Packet.TYPE.EDNS, class: 1232, ttl: 0, rdata: [] };
  const text = { name: 'vm.example', type: 16, data: ['consul-network-segment='], ttl: 0 };

  it('has what they say, and what the message adds about their targets', () => {
    const bytes = message(
      [
        srv('db.example', 'One.example:6379', { priority: 1, weight: 20, ttl: 30 }),
        srv('db.example', 'two.example:6380', { ttl: 40 }),
        srv('db.example', 'three.example:6381', { ttl: 40 }),
      ],
      [
        option,
        text,
        aaaa('one.example', '2001:db8:0::1', 50),
        a('ONE.example', '10.0.0.1', 20),
        cname('two.example', 'host.example'),
        a('host.example', '10.0.0.2'),
        a('other.example', '10.0.0.9', 1),
      ],
    ).toBuffer();
    assert.deepEqual(readAnswer(bytes, wanted), {
      kind: 'records',
      records: [
        {
          priority: 1,
          weight: 20,
          port: 6379,
          target: 'one.example',
          addresses: ['10.0.0.1', '2001:db8::1'],
        },
        { priority: 0, weight: 1, port: 6380, target: 'two.example', addresses: ['10.0.0.2'] },
        { priority: 0, weight: 1, port: 6381, target: 'three.example', addresses: [] },
      ],
      ttlSeconds: 20,
    });
  });

  const only = (bytes: Buffer) => {
    const answer = readAnswer(bytes, wanted);
    assert.ok(answer.kind === 'records', answer.kind);
    return answer.records.map(({ target, addresses }) => [target, ...addresses].join(' '));
  };

  it('follows aliases of the name itself', () => {
    const bytes = message([cname('db.example', 'real.example'), srv('real.example', 'x:1')]).toBuffer();
    assert.deepEqual(only(bytes), ['x']);
  });

  it('has the root as an empty target', () => {
    assert.deepEqual(only(message([srv('db.example', ':0')]).toBuffer()), ['']);
  });

  it('is not disturbed by what is wrong with the rest of the message', () => {
    const whole = message([srv('db.example', 'x:1')], [a('x', '10.0.0.1'), a('y', '10.0.0.2')]).toBuffer();
    assert.deepEqual(only(whole), ['x 10.0.0.1']);
    assert.deepEqual(only(whole.subarray(0, -3)), ['x'], 'cut off');
    for (const [offset, count] of [
      [8, 1],
      [10, 0xffff],
      [10, 3],
    ] as const) {
      const bytes = Buffer.from(whole);
      bytes.writeUInt16BE(count, offset);
      assert.deepEqual(only(bytes), ['x'], `count ${count} at ${offset}`);
    }
    const circle = [cname('x', 'y'), cname('y', 'x')];
    assert.deepEqual(only(message([srv('db.example', 'x:1')], circle).toBuffer()), ['x']);
  });

  it('is not disturbed by an option that dns2 cannot read', () => {
    const bytes = message([srv('db.example', 'x:1')], [option, a('x', '10.0.0.1')]).toBuffer();
    // The OPT record is the root's name, its type 41 and 8 bytes more; it gets a cookie (RFC 7873) of 8 bytes.
    const at = bytes.indexOf(Buffer.from([0, 0, 41]));
    const cookie = Buffer.from([0, 12, 0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8]);
    const longer = Buffer.concat([bytes.subarray(0, at + 9), cookie, bytes.subarray(at + 11)]);
    assert.deepEqual(only(longer), ['x 10.0.0.1']);
  });

  it('is truncated where it says so, and damaged where the records are', () => {
    const records = [srv('db.example', 'x:1')];
    assert.equal(readAnswer(message(records, [], { tc: 1 }).toBuffer(), wanted).kind, 'truncated');
    assert.equal(readAnswer(message(records).toBuffer().subarray(0, -1), wanted).kind, 'failed');
  });

  it('never throws, whatever the bytes', () => {
    const genuine = message(
      [cname('db.example', 'b'), srv('b', 'x:1')],
      [option, a('x', '10.0.0.1')],
    ).toBuffer();
    const damage = fc.array(fc.tuple(fc.nat(genuine.length - 1), fc.nat(255)), { maxLength: 8 });
    fc.assert(
      fc.property(damage, fc.nat(genuine.length), (changes, end) => {
        const bytes = Buffer.from(genuine);
        for (const [at, value] of changes) bytes.writeUInt8(value, at);
        const answer = readAnswer(bytes.subarray(0, end), wanted);
        if (answer.kind !== 'records') return;
        for (const { port, weight, priority, addresses } of answer.records) {
          assert.ok([port, weight, priority].every((value) => value >= 0 && value <= 65_535));
          assert.ok(addresses.every((ip) => canonicalIp(ip) === ip));
        }
      }),
      { numRuns: 1000 },
    );
  });
});
