#include "serve/tei/openapi_internal.h"

namespace malmoi::serve::tei {

std::string DocsPage() {
  return R"html(<!doctype html>
<html lang="en"><meta charset="utf-8"><title>malmoi embed</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem }
summary { cursor: pointer } code, pre { font: 14px/1.4 ui-monospace, monospace }
pre { overflow: auto; background: #8881; padding: .5rem }
</style>
<h1>malmoi embed</h1>
<p>The routes of this server, from <a href="/api-doc/openapi.json">/api-doc/openapi.json</a>.</p>
<div id="routes"></div>
<script>
fetch("/api-doc/openapi.json").then((r) => r.json()).then((doc) => {
  const shapeOf = (schema) => JSON.stringify(
      schema?.$ref ? doc.components.schemas[schema.$ref.split("/").pop()] : schema, null, 1);
  for (const [path, methods] of Object.entries(doc.paths)) {
    for (const [method, route] of Object.entries(methods)) {
      const item = document.createElement("details");
      const head = document.createElement("summary");
      head.innerHTML = "<code></code> ";
      head.firstChild.textContent = method.toUpperCase() + " " + path;
      head.append(route.summary);
      item.append(head);
      const body = route.requestBody?.content["application/json"].schema;
      const answer = Object.values(route.responses["200"].content ?? {})[0]?.schema;
      for (const [name, schema] of [["request", body], ["answer", answer]]) {
        if (!schema) continue;
        const pre = document.createElement("pre");
        pre.textContent = name + ": " + shapeOf(schema);
        item.append(pre);
      }
      document.getElementById("routes").append(item);
    }
  }
});
</script>
</html>
)html";
}

}  // namespace malmoi::serve::tei
