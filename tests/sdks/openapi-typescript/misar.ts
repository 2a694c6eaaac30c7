/** A whole story with openapi-fetch and the types that openapi-typescript makes from openapi/misar.json. */

import createClient from "openapi-fetch";
import type { components, paths } from "./misar-typescript";

type ContactCreate = components["schemas"]["ContactCreate"];
type ErrorBody = components["schemas"]["ErrorBody"];
type ExplainedGroup = components["schemas"]["ExplainedGroup"];
type FilterCriteria = components["schemas"]["FilterCriteria"];
type SegmentCreate = components["schemas"]["SegmentCreate"];

const connect = (key: string) =>
  createClient<paths>({ baseUrl: process.env.DIGLOT_URL, headers: { Authorization: `Bearer ${key}` } });

const client = connect(process.env.DIGLOT_KEY!);

const yes = (truth: boolean): string => (truth ? "yes" : "no");
const daysAgo = (days: number): string => new Date(Date.now() - days * 24 * 60 * 60 * 1000).toISOString();

/** Prints a group of rules, and the groups in it. */
function show(criteria: FilterCriteria, indent = "  "): void {
  console.log(`${indent}${criteria.operator ?? "AND"}`);
  for (const item of criteria.rules) {
    if ("rules" in item) {
      show(item, indent + "  ");
    } else {
      console.log(`${indent}  ${item.field} ${item.operator}`);
    }
  }
}

/** Prints what each rule says of a contact. */
function showExplained(group: ExplainedGroup, indent = "  "): void {
  console.log(`${indent}${group.operator}: ${yes(group.matches)}`);
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
    console.log(`${response?.status}: ${error.error}`);
    for (const [field, faults] of Object.entries(error.details?.fieldErrors ?? {})) {
      for (const one of faults) {
        console.log(`  ${field}: ${one}`);
      }
    }
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
      custom_fields: { plan: "pro", seats: 5 },
    },
    {
      email: "bob@example.com",
      first_name: "Bob",
      total_spent: 99.5,
      last_opened_at: daysAgo(3),
      custom_fields: { plan: "team", seats: 12 },
    },
    {
      email: "cleo@example.com",
      first_name: "Cleo",
      tags: ["vip"],
      total_spent: 400.5,
      last_opened_at: daysAgo(3),
      custom_fields: { plan: "free" },
    },
    {
      email: "dan@example.com",
      first_name: "Dan",
      total_spent: 120.5,
      last_opened_at: daysAgo(60),
      custom_fields: { plan: "pro", seats: 3 },
    },
    {
      email: "eve@example.org",
      first_name: "Eve",
      tags: ["newsletter"],
      total_spent: 150.5,
      last_opened_at: daysAgo(1),
      custom_fields: { plan: "team", seats: 8 },
    },
    {
      email: "fay@example.com",
      total_spent: 500.5,
      last_opened_at: daysAgo(10),
      custom_fields: { plan: "pro" },
    },
  ];
  const ids = new Map<string, string>();
  const emails = new Map<string | null, string>();
  for (const person of people) {
    const contact = (await good(client.POST("/mail/v1/contacts", { body: person }))).data;
    ids.set(contact.email, contact.id);
    emails.set(contact.id, contact.email);
    const name = contact.first_name ?? "no name";
    const tags = [...contact.tags].sort().join(", ") || "no tags";
    console.log(`${contact.email}: ${name}, ${tags}, plan ${contact.custom_fields.plan}, ${contact.status}`);
  }
  const found = await good(client.GET("/mail/v1/contacts", { params: { query: { search: "cleo" } } }));
  console.log(`Found by name: ${found.data.map((one) => one.email).join(", ")}`);

  console.log("== A segment with nested rules");
  let segment = (
    await good(
      client.POST("/mail/v1/segments", {
        body: {
          name: "Spring buyers",
          segment_type: "dynamic",
          description: "Who buys, and reads",
          filter_criteria: {
            operator: "AND",
            rules: [
              { field: "total_spent", operator: "gte", value: 100 },
              { field: "email", operator: "ends_with", value: "@example.com" },
              { field: "last_opened_at", operator: "in_last_days", value: 30 },
              {
                operator: "OR",
                rules: [
                  { field: "custom_fields.plan", operator: "in", value: ["pro", "team"] },
                  { field: "tags", operator: "contains", value: "vip" },
                ],
              },
            ],
          },
        },
      }),
    )
  ).data;
  console.log(
    `${segment.name}: ${segment.segment_type}, ${segment.description}, revision ${segment.revision}`,
  );
  show(segment.filter_criteria);

  console.log("== Its members");
  const preview = (
    await good(
      client.GET("/mail/v1/segments/{segment_id}/preview", { params: { path: { segment_id: segment.id } } }),
    )
  ).data;
  console.log(`${preview.total_matching}, such as ${preview.contacts.map((one) => one.email).join(", ")}`);
  for (const number of [1, 2]) {
    const page = await good(
      client.GET("/mail/v1/segments/{segment_id}/members", {
        params: { path: { segment_id: segment.id }, query: { page: number, limit: 2 } },
      }),
    );
    const shown = page.data.contact_ids.map((id) => emails.get(id)).join(", ");
    console.log(`Page ${page.pagination.page} of ${page.pagination.total_pages}: ${shown}`);
  }

  console.log("== A contact changes, and the count follows");
  const bob = (
    await good(
      client.PATCH("/mail/v1/contacts/{contact_id}", {
        params: { path: { contact_id: ids.get("bob@example.com")! } },
        body: { total_spent: 175.5 },
      }),
    )
  ).data;
  console.log(`${bob.email} has spent ${bob.total_spent}`);
  console.log(
    `${(await good(client.GET("/mail/v1/segments/{segment_id}", { params: { path: { segment_id: segment.id } } }))).data.contact_count} members`,
  );

  console.log("== What other rules would find");
  const wider: FilterCriteria = {
    operator: "AND",
    rules: [
      { field: "total_spent", operator: "gte", value: 100 },
      { field: "last_opened_at", operator: "in_last_days", value: 30 },
    ],
  };
  const dry = (
    await good(
      client.POST("/mail/v1/segments/dry-run", { body: { filter_criteria: wider, segment_id: segment.id } }),
    )
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
      client.GET("/mail/v1/segments/{segment_id}/explain", {
        params: { path: { segment_id: segment.id }, query: { contact: "dan@example.com" } },
      }),
    )
  ).data;
  console.log(`dan@example.com is a member: ${yes(explained.is_member)}`);
  if (explained.filter_criteria !== null) {
    showExplained(explained.filter_criteria);
  }

  console.log("== Other rules");
  segment = (
    await good(
      client.PATCH("/mail/v1/segments/{segment_id}", {
        params: { path: { segment_id: segment.id } },
        body: { name: "Spring readers", filter_criteria: wider },
      }),
    )
  ).data;
  console.log(`${segment.name}: ${segment.contact_count} members, revision ${segment.revision}`);

  console.log("== Who entered, and why");
  let after = 0;
  for (let more = true; more;) {
    const changes = await good(
      client.GET("/mail/v1/segments/{segment_id}/changes", {
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
  const draft: SegmentCreate = { name: "Draft", segment_type: "dynamic", filter_criteria: { rules: [] } };
  const header = { "Idempotency-Key": "a-draft" };
  const first = (await good(client.POST("/mail/v1/segments", { body: draft, params: { header } }))).data;
  const again = (await good(client.POST("/mail/v1/segments", { body: draft, params: { header } }))).data;
  console.log(`The same segment: ${yes(first.id === again.id)}`);
  const other = { ...draft, name: "Another" };
  await refused(client.POST("/mail/v1/segments", { body: other, params: { header } }));

  console.log("== All segments");
  for (const number of [1, 2]) {
    const listed = (
      await good(client.GET("/mail/v1/segments", { params: { query: { page: number, limit: 1 } } }))
    ).data;
    const item = listed.segments[0];
    console.log(`${number} of ${listed.pagination.total_pages}: ${item.name}, ${item.contact_count} members`);
  }

  console.log("== What is refused");
  const wrong: FilterCriteria = {
    operator: "AND",
    rules: [
      { field: "total_spent", operator: "gte", value: "many" },
      {
        operator: "OR",
        rules: [{ field: "email", operator: "in_last_days", value: 30 }],
      },
    ],
  };
  await refused(
    client.POST("/mail/v1/segments", { body: { ...draft, name: "Wrong", filter_criteria: wrong } }),
  );
  await refused(client.POST("/mail/v1/contacts", { body: { email: "ada@example.com" } }));
  await refused(connect("msk_unknown").GET("/mail/v1/segments"));

  console.log("== The end");
  for (const segment_id of [segment.id, first.id]) {
    console.log(
      `Deleted: ${yes((await good(client.DELETE("/mail/v1/segments/{segment_id}", { params: { path: { segment_id } } }))).success)}`,
    );
  }
  await refused(
    client.GET("/mail/v1/segments/{segment_id}", { params: { path: { segment_id: segment.id } } }),
  );
}

void main();
