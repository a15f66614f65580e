import type { GatewayStatus } from '../../src/core/gateway-status.ts';

const traffic = { active: 1, served: 10, bytesUp: 100, bytesDown: 1000, failures: 2 };

/** A gateway with one application and one service, as it would tell of itself. */
export const gatewayStatus: GatewayStatus = {
  registry: { text: 'etcd://10.0.0.9:2379', isRead: true },
  http: {
    address: '[::]:80',
    connections: 4,
    accepted: 40,
    requests: 400,
    requestsPerSecond: 4.5,
    refused: 3,
    keptAlive: 2,
  },
  applications: [
    {
      ...traffic,
      domain: 'blog.example.com',
      requestsPerSecond: 1.5,
      answers: [0, 0, 8, 1, 0, 1],
      endpoints: [
        { address: '10.0.0.5:8080', name: 'blog-1', isUp: true, since: 1000, traffic },
        { address: '10.0.0.6:8080', name: 'blog-2', isUp: false, since: 2000, reason: 'HEAD / answered 503' },
      ],
    },
  ],
  services: [
    {
      name: 'mysql',
      port: 3306,
      state: 'port-taken',
      problem: 'EADDRINUSE',
      active: 1,
      served: 5,
      refused: 0,
      endpoints: [{ address: '10.0.0.8:3306', name: 'db', isUp: true, since: 1000 }],
    },
  ],
  skipped: { count: 1, keys: [{ key: '/apps/<b>', reason: 'no host name' }] },
};
