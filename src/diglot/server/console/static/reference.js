"use strict";
// Shows the document that the page names. Calls go to this server; a key is forgotten with the page.
{
  const reference = document.getElementById("reference");
  SwaggerUIBundle({
    domNode: reference,
    url: reference.dataset.document,
    validatorUrl: "none", // else the document would be sent to a server of Swagger's
    deepLinking: true,
    filter: true,
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    requestSnippetsEnabled: true,
    tryItOutEnabled: true,
    persistAuthorization: false,
  });
}
