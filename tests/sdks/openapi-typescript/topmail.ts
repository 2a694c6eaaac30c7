/** A whole story with openapi-fetch and the types that openapi-typescript makes from openapi/topmail.json. */

import createClient from "openapi-fetch";
import type { components, paths } from "./topmail-typescript";

type Conditions = components["schemas"]["Conditions"];
type ContactCreate = components["schemas"]["ContactCreate"];
type ErrorBody = components["schemas"]["ErrorBody"];
type ExplainedGroup = components["schemas"]["ExplainedGroup"];

const connect = (key: string) =>
  createClient<paths>({
    baseUrl: `${process.env.DIGLOT_URL}/api/v1`,
    headers: { Authorization: `Bearer ${key}` },
  });

const client = connect(process.env.DIGLOT_KEY!);

const yes = (truth: boolean): string => (truth ? "yes" : "no");
const daysAgo = (days: number): string => new Date(Date.now() - days * 24 * 60 * 60 * 1000).toISOString();

/** Prints a group of rules, and the groups in it. */
function show(conditions: Conditions, indent = "  "): void {
  console.log(`${indent}${conditions.match ?? "all"}`);
  for (const item of conditions.rules) {
    if ("rules" in item) {
      show(item, indent + "  ");
    } else {
      console.log(`${indent}  ${item.field} ${item.operator}`);
    }
  }
}

/** Prints what each rule says of a contact. */
function showExplained(group: ExplainedGroup, indent = "  "): void {
  console.log(`${indent}${group.match}: ${yes(group.matches)}`);
  for (const item of group.rules) {
    if ("rules" in item) {
      showExplained(item, indent + "  ");
    } else {
      console.log(`${indent}  ${item.rule.field} ${item.rule.operator}: ${yes(item.matches)}`);
    }
  }
}

/** Returns what is answered to a request; this client throws no fault, and returns it as well. */
async function good<T>(request: Promise<{ data?: T; error?: ErrorBody }>): Promise<T> {
  const { data, error } = await request;
  if (data === undefined) {
    throw new Error(`refused: ${JSON.stringify(error)}`);
  }
  return data;
}

/** Prints what is answered to a request that is refused. */
async function refused(request: Promise<{ error?: ErrorBody; response?: Response }>): Promise<void> {
  const { error, response } = await request;
  if (error !== undefined) {
    const { code, message, path } = error.error;
    console.log(`${response?.status} ${code}: ${message}${path === undefined ? "" : ` (${path})`}`);
  }
}

async function main(): Promise<void> {
  console.log("== Contacts");
  const people: ContactCreate[] = [
    {
      email: "ada@example.com",
      first_name: "Ada",
      tags: ["vip", "newsletter"],
      total_spent: 250.5,
      last_opened_at: daysAgo(3),
      attributes: { plan: "pro", seats: 5 },
    },
    {
      email: "bob@example.com",
      first_name: "Bob",
      total_spent: 99.5,
      last_opened_at: daysAgo(3),
      attributes: { plan: "team", seats: 12 },
    },
    {
      email: "cleo@example.com",
      first_name: "Cleo",
      total_spent: 400.5,
      last_opened_at: daysAgo(3),
      attributes: { plan: "free" },
    },
    {
      email: "dan@example.com",
      first_name: "Dan",
      total_spent: 120.5,
      last_opened_at: daysAgo(60),
      attributes: { plan: "pro", seats: 3 },
    },
    {
      email: "eve@example.org",
      first_name: "Eve",
      tags: ["newsletter"],
      total_spent: 150.5,
      last_opened_at: daysAgo(1),
      attributes: { plan: "team", seats: 8 },
    },
    {
      email: "fay@example.com",
      total_spent: 500.5,
      last_opened_at: daysAgo(10),
      attributes: { plan: "pro" },
    },
  ];
  const ids = new Map<string, string>();
  const emails = new Map<string | null, string>();
  for (const person of people) {
    const contact = (await good(client.POST("/contacts", { body: person }))).data;
    ids.set(contact.email, contact.id);
    emails.set(contact.id, contact.email);
    const name = contact.first_name ?? "no name";
    const tagged = [...contact.tags].sort().join(", ") || "no tags";
    console.log(`${contact.email}: ${name}, ${tagged}, plan ${contact.attributes.plan}, ${contact.status}`);
  }
  const found = await good(client.GET("/contacts", { params: { query: { search: "cleo" } } }));
  console.log(`Found by name: ${found.data.map((one) => one.email).join(", ")}`);

  console.log("== A tag and a list");
  const cleoId = ids.get("cleo@example.com")!;
  const gold = (await good(client.POST("/tags", { body: { name: "gold", color: "#ffd700" } }))).data;
  const named = { contact_ids: [cleoId, ids.get("fay@example.com")!] };
  const tagged = (
    await good(client.POST("/tags/{tag_id}/contacts", { params: { path: { tag_id: gold.id } }, body: named }))
  ).data;
  console.log(`Tagged ${gold.name}: ${tagged.added}`);
  const readers = (
    await good(client.POST("/lists", { body: { name: "Readers", description: "Who asked for it" } }))
  ).data;
  const joined = (
    await good(
      client.POST("/lists/{list_id}/members", {
        params: { path: { list_id: readers.id } },
        body: { contact_id: cleoId },
      }),
    )
  ).data;
  console.log(`${readers.name}: ${readers.type}, ${readers.description}, ${joined.member_count} member`);
  const cleo = (
    await good(client.GET("/contacts/{contact_id}", { params: { path: { contact_id: cleoId } } }))
  ).data;
  console.log(`${cleo.email}: ${cleo.tags.join(", ")}, on ${cleo.lists.map((one) => one.name).join(", ")}`);

  console.log("== A segment with nested rules");
  let segment = (
    await good(
      client.POST("/segments", {
        body: {
          name: "Spring buyers",
          conditions: {
            match: "all",
            rules: [
              { field: "total_spent", operator: "gte", value: 100 },
              { field: "email", operator: "ends_with", value: "@example.com" },
              { field: "last_opened_at", operator: "in_last_days", value: 30 },
              {
                match: "any",
                rules: [
                  { field: "attributes.plan", operator: "in_list", value: ["pro", "team"] },
                  { field: "tags", operator: "contains", value: "gold" },
                ],
              },
            ],
          },
        },
      }),
    )
  ).data;
  console.log(`${segment.name}: revision ${segment.revision}`);
  show(segment.conditions);

  console.log("== Its members");
  const count = async (): Promise<number> =>
    (
      await good(
        client.POST("/segments/{segment_id}/estimate", { params: { path: { segment_id: segment.id } } }),
      )
    ).data.count;
  console.log(`${await count()} members`);
  for (const offset of [0, 2]) {
    const page = await good(
      client.GET("/segments/{segment_id}/contacts", {
        params: { path: { segment_id: segment.id }, query: { limit: 2, offset } },
      }),
    );
    const shown = page.data.map((one) => one.email).join(", ");
    const more = yes(page.pagination.has_more);
    console.log(`From ${page.pagination.offset} of ${page.pagination.total}: ${shown}; more: ${more}`);
  }

  console.log("== A contact changes, and the count follows");
  const bob = (
    await good(
      client.PATCH("/contacts/{contact_id}", {
        params: { path: { contact_id: ids.get("bob@example.com")! } },
        body: { total_spent: 175.5 },
      }),
    )
  ).data;
  console.log(`${bob.email} has spent ${bob.total_spent}`);
  console.log(`${await count()} members`);

  console.log("== What other rules would find");
  const wider: Conditions = {
    match: "all",
    rules: [
      { field: "total_spent", operator: "gte", value: 100 },
      { field: "last_opened_at", operator: "in_last_days", value: 30 },
    ],
  };
  const dry = (
    await good(client.POST("/segments/dry-run", { body: { conditions: wider, segment_id: segment.id } }))
  ).data;
  console.log(
    `${dry.total} in place of ${dry.current_total}: ${dry.entering} would enter, ${dry.leaving} would leave`,
  );
  console.log(`Entering: ${dry.entering_sample?.map((one) => one.email).join(", ")}`);
  for (const counted of dry.predicates) {
    const { field, operator } = counted.rule;
    console.log(`${counted.path}: ${field} ${operator}, true of ${counted.count}`);
  }

  console.log("== Why one is no member");
  const explained = (
    await good(
      client.GET("/segments/{segment_id}/explain", {
        params: { path: { segment_id: segment.id }, query: { contact: "dan@example.com" } },
      }),
    )
  ).data;
  console.log(`dan@example.com is a member: ${yes(explained.is_member)}`);
  if (explained.conditions !== null) {
    showExplained(explained.conditions);
  }

  console.log("== Other rules");
  segment = (
    await good(
      client.PATCH("/segments/{segment_id}", {
        params: { path: { segment_id: segment.id } },
        body: { name: "Spring readers", conditions: wider },
      }),
    )
  ).data;
  console.log(`${segment.name}: ${await count()} members, revision ${segment.revision}`);

  console.log("== Who entered, and why");
  let after = 0;
  for (let more = true; more;) {
    const changes = await good(
      client.GET("/segments/{segment_id}/changes", {
        params: { path: { segment_id: segment.id }, query: { after, limit: 3 } },
      }),
    );
    for (const change of changes.data) {
      console.log(`${emails.get(change.contact_id)} ${change.change}: ${change.cause}`);
    }
    after = changes.pagination.through;
    more = changes.pagination.has_more;
  }

  console.log("== A request that is sent again");
  const header = { "Idempotency-Key": "a-draft" };
  const first = (await good(client.POST("/segments", { body: { name: "Draft" }, params: { header } }))).data;
  const again = (await good(client.POST("/segments", { body: { name: "Draft" }, params: { header } }))).data;
  console.log(`The same segment: ${yes(first.id === again.id)}`);
  await refused(client.POST("/segments", { body: { name: "Another" }, params: { header } }));

  console.log("== All segments");
  for (const offset of [0, 1]) {
    const listed = await good(client.GET("/segments", { params: { query: { limit: 1, offset } } }));
    const names = listed.data.map((one) => one.name).join(", ");
    console.log(`${offset + 1} of ${listed.pagination.total}: ${names}`);
  }

  console.log("== What is refused");
  const wrong: Conditions = {
    match: "all",
    rules: [
      { field: "total_spent", operator: "gte", value: 100 },
      {
        match: "any",
        rules: [{ field: "email", operator: "in_last_days", value: 30 }],
      },
    ],
  };
  await refused(client.POST("/segments", { body: { name: "Wrong", conditions: wrong } }));
  await refused(client.POST("/contacts", { body: { email: "ada@example.com" } }));
  await refused(connect("tm_live_unknown").GET("/segments"));

  console.log("== The end");
  for (const segment_id of [segment.id, first.id]) {
    console.log(
      `Deleted: ${yes((await good(client.DELETE("/segments/{segment_id}", { params: { path: { segment_id } } }))).data.success)}`,
    );
  }
  await refused(client.GET("/segments/{segment_id}", { params: { path: { segment_id: segment.id } } }));
}

void main();
