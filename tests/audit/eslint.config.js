import unsanitized from "eslint-plugin-no-unsanitized"

// A second pair of eyes beside eslint.config.js, for `make audit`: no comment in a file can switch it off.
export default [
  { ignores: ["static/vendor/*.js"] },
  {
    files: ["**/*.js", "**/*.mjs"],
    plugins: { unsanitized },
    rules: { "unsanitized/method": "error", "unsanitized/property": "error" },
  },
]
