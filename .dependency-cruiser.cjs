// The layout's import direction (docs/architecture.md): a room imports only rooms below it in this list,
// and what moves bytes never imports what talks to Docker or a registry. Type imports count.
const floors = [
  ['main'],
  ['cli'],
  ['ambassador'],
  ['localhost', 'gateway'],
  ['admin', 'http', 'nat', 'steering'],
  ['proxy', 'kernel'],
  ['route'],
  ['caller'],
  ['discovery', 'registration', 'balance', 'health'],
  ['backend'],
  ['docker', 'registry'],
  ['bpf'],
  ['sys'],
  ['core'],
];

const room = (name) => `^src/${name}(/|\\.ts$)`;
const rooms = (names) => names.map(room).join('|');

const upward = floors.slice(1).map((names, index) => ({
  name: `${names.join('-')}-imports-downwards`,
  comment: `${names.join(', ')} may import only what stands below`,
  severity: 'error',
  from: { path: rooms(names) },
  to: { path: rooms(floors.slice(0, index + 1).flat()) },
}));

const sameFloor = floors
  .filter((names) => names.length > 1)
  .flatMap((names) =>
    names.map((name) => ({
      name: `${name}-does-not-import-its-neighbours`,
      severity: 'error',
      from: { path: room(name) },
      to: { path: rooms(names.filter((other) => other !== name)) },
    })),
  );

module.exports = {
  forbidden: [
    ...upward,
    ...sameFloor,
    {
      name: 'data-plane-reads-the-route-table-only',
      severity: 'error',
      from: { path: rooms(['proxy', 'http', 'kernel']) },
      to: { path: rooms(['docker', 'registry', 'discovery', 'caller']), reachable: true },
    },
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'every-file-has-a-room',
      severity: 'error',
      from: { path: '^src/', pathNot: rooms(floors.flat()) },
      to: {},
    },
    { name: 'src-never-imports-tests', severity: 'error', from: { path: '^src/' }, to: { path: '^test/' } },
    {
      name: 'no-development-package-in-src',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], pathNot: 'node_modules/@types' },
    },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
};
