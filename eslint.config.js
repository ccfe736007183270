import globals from "globals"

// HTML from the server enters the page in one place, which says why it may; everywhere else text is text.
const HTML_SINKS = [
  { selector: "AssignmentExpression[left.property.name=/^(innerHTML|outerHTML|srcdoc)$/]" },
  { selector: "CallExpression[callee.property.name=/^(insertAdjacentHTML|setHTMLUnsafe|createContextualFragment)$/]" },
  { selector: "CallExpression[callee.object.name='document'][callee.property.name=/^(write|writeln)$/]" },
  { selector: "NewExpression[callee.name='DOMParser']" },
].map((sink) => ({ ...sink, message: "Put HTML into the page through static/js/lib/html.js only." }))

export default [
  { ignores: ["static/vendor/*.js", "node_modules/", ".venv/", "data/", "htmlcov/", "test-results/"] },
  {
    files: ["**/*.js", "**/*.mjs"],
    languageOptions: { ecmaVersion: 2024, sourceType: "module" },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      "eqeqeq": "error",
      "no-constant-condition": ["error", { checkLoops: false }],
      "no-dupe-keys": "error",
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-new-func": "error",
      "no-undef": "error",
      "no-unreachable": "error",
      "no-unused-private-class-members": "error",
      "no-unused-vars": ["error", { argsIgnorePattern: "^_" }],
      "no-var": "error",
      "prefer-const": "error",
    },
  },
  {
    files: ["static/js/**"],
    languageOptions: { globals: globals.browser },
    rules: { "no-restricted-syntax": ["error", ...HTML_SINKS] },
  },
  { files: ["static/js/lib/html.js"], rules: { "no-restricted-syntax": "off" } },
  // Models are plain logic, tested without a browser: no window, document or storage, only what Node has as well.
  { files: ["static/js/models/**"], languageOptions: { globals: { ...off(globals.browser), ...globals["shared-node-browser"] } } },
  { files: ["static/js/service_worker.js", "static/service_worker.js"], languageOptions: { globals: globals.serviceworker } },
  { files: ["tests/**", "static/vendor/vendor.mjs", "eslint.config.js"], languageOptions: { globals: globals.node } },
]

function off(names) {
  return Object.fromEntries(Object.keys(names).map((name) => [name, "off"]))
}
