/** A whole story with the client that OpenAPI Generator (typescript-fetch) makes from openapi/topmail.json. */

import {
  Conditions,
  Configuration,
  ContactCreate,
  ContactsApi,
  ErrorBodyFromJSON,
  ExplainedGroup,
  GroupMode,
  ListsApi,
  ResponseError,
  RuleOperator,
  SegmentsApi,
  TagsApi,
} from "./topmail-typescript";

const basePath = `${process.env.DIGLOT_URL}/api/v1`;
const configuration = new Configuration({ basePath, accessToken: process.env.DIGLOT_KEY });
const contacts = new ContactsApi(configuration);
const tags = new TagsApi(configuration);
const lists = new ListsApi(configuration);
const segments = new SegmentsApi(configuration);

const yes = (truth: boolean): string => (truth ? "yes" : "no");
const daysAgo = (days: number): Date => new Date(Date.now() - days * 24 * 60 * 60 * 1000);

/** Prints a group of rules, and the groups in it. */
function show(conditions: Conditions, indent = "  "): void {
  console.log(`${indent}${conditions.match ?? GroupMode.All}`);
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

/** Prints what is answered to a request that is refused. */
async function refused(request: Promise<unknown>): Promise<void> {
  try {
    await request;
  } catch (error) {
    if (!(error instanceof ResponseError)) {
      throw error;
    }
    const fault = ErrorBodyFromJSON(await error.response.json()).error;
    const place = fault.path === undefined ? "" : ` (${fault.path})`;
    console.log(`${error.response.status} ${fault.code}: ${fault.message}${place}`);
  }
}

async function main(): Promise<void> {
  console.log("== Contacts");
  const people: ContactCreate[] = [
    {
      email: "ada@example.com",
      firstName: "Ada",
      tags: ["vip", "newsletter"],
      totalSpent: 250.5,
      lastOpenedAt: daysAgo(3),
      attributes: { plan: "pro", seats: 5 },
    },
    {
      email: "bob@example.com",
      firstName: "Bob",
      totalSpent: 99.5,
      lastOpenedAt: daysAgo(3),
      attributes: { plan: "team", seats: 12 },
    },
    {
      email: "cleo@example.com",
      firstName: "Cleo",
      totalSpent: 400.5,
      lastOpenedAt: daysAgo(3),
      attributes: { plan: "free" },
    },
    {
      email: "dan@example.com",
      firstName: "Dan",
      totalSpent: 120.5,
      lastOpenedAt: daysAgo(60),
      attributes: { plan: "pro", seats: 3 },
    },
    {
      email: "eve@example.org",
      firstName: "Eve",
      tags: ["newsletter"],
      totalSpent: 150.5,
      lastOpenedAt: daysAgo(1),
      attributes: { plan: "team", seats: 8 },
    },
    {
      email: "fay@example.com",
      totalSpent: 500.5,
      lastOpenedAt: daysAgo(10),
      attributes: { plan: "pro" },
    },
  ];
  const ids = new Map<string, string>();
  const emails = new Map<string | null, string>();
  for (const person of people) {
    const contact = (await contacts.createContact({ contactCreate: person })).data;
    ids.set(contact.email, contact.id);
    emails.set(contact.id, contact.email);
    const name = contact.firstName ?? "no name";
    const tagged = [...contact.tags].sort().join(", ") || "no tags";
    console.log(`${contact.email}: ${name}, ${tagged}, plan ${contact.attributes.plan}, ${contact.status}`);
  }
  const found = await contacts.listContacts({ search: "cleo" });
  console.log(`Found by name: ${found.data.map((one) => one.email).join(", ")}`);

  console.log("== A tag and a list");
  const cleoId = ids.get("cleo@example.com")!;
  const gold = (await tags.createTag({ tagCreate: { name: "gold", color: "#ffd700" } })).data;
  const named = { contactIds: [cleoId, ids.get("fay@example.com")!] };
  const tagged = (await tags.addTagContacts({ tagId: gold.id, namedContacts: named })).data;
  console.log(`Tagged ${gold.name}: ${tagged.added}`);
  const readers = (
    await lists.createList({ listCreate: { name: "Readers", description: "Who asked for it" } })
  ).data;
  const joined = (await lists.addListMembers({ listId: readers.id, namedContacts: { contactId: cleoId } }))
    .data;
  console.log(`${readers.name}: ${readers.type}, ${readers.description}, ${joined.memberCount} member`);
  const cleo = (await contacts.getContact({ contactId: cleoId })).data;
  console.log(`${cleo.email}: ${cleo.tags.join(", ")}, on ${cleo.lists.map((one) => one.name).join(", ")}`);

  console.log("== A segment with nested rules");
  let segment = (
    await segments.createSegment({
      segmentCreate: {
        name: "Spring buyers",
        conditions: {
          match: GroupMode.All,
          rules: [
            { field: "total_spent", operator: RuleOperator.Gte, value: 100 },
            { field: "email", operator: RuleOperator.EndsWith, value: "@example.com" },
            { field: "last_opened_at", operator: RuleOperator.InLastDays, value: 30 },
            {
              match: GroupMode.Any,
              rules: [
                { field: "attributes.plan", operator: RuleOperator.InList, value: ["pro", "team"] },
                { field: "tags", operator: RuleOperator.Contains, value: "gold" },
              ],
            },
          ],
        },
      },
    })
  ).data;
  console.log(`${segment.name}: revision ${segment.revision}`);
  show(segment.conditions);

  console.log("== Its members");
  const count = async (): Promise<number> =>
    (await segments.estimateSegment({ segmentId: segment.id })).data.count;
  console.log(`${await count()} members`);
  for (const offset of [0, 2]) {
    const page = await segments.listSegmentContacts({ segmentId: segment.id, limit: 2, offset });
    const shown = page.data.map((one) => one.email).join(", ");
    const more = yes(page.pagination.hasMore);
    console.log(`From ${page.pagination.offset} of ${page.pagination.total}: ${shown}; more: ${more}`);
  }

  console.log("== A contact changes, and the count follows");
  const bob = (
    await contacts.updateContact({
      contactId: ids.get("bob@example.com")!,
      contactPatch: { totalSpent: 175.5 },
    })
  ).data;
  console.log(`${bob.email} has spent ${bob.totalSpent}`);
  console.log(`${await count()} members`);

  console.log("== What other rules would find");
  const wider: Conditions = {
    match: GroupMode.All,
    rules: [
      { field: "total_spent", operator: RuleOperator.Gte, value: 100 },
      { field: "last_opened_at", operator: RuleOperator.InLastDays, value: 30 },
    ],
  };
  const dry = (await segments.dryRunSegment({ dryRun: { conditions: wider, segmentId: segment.id } })).data;
  console.log(
    `${dry.total} in place of ${dry.currentTotal}: ${dry.entering} would enter, ${dry.leaving} would leave`,
  );
  console.log(`Entering: ${dry.enteringSample?.map((one) => one.email).join(", ")}`);
  for (const counted of dry.predicates) {
    const { field, operator } = counted.rule;
    console.log(`${counted.path}: ${field} ${operator}, true of ${counted.count}`);
  }

  console.log("== Why one is no member");
  const explained = (await segments.explainSegment({ segmentId: segment.id, contact: "dan@example.com" }))
    .data;
  console.log(`dan@example.com is a member: ${yes(explained.isMember)}`);
  if (explained.conditions !== null) {
    showExplained(explained.conditions);
  }

  console.log("== Other rules");
  segment = (
    await segments.updateSegment({
      segmentId: segment.id,
      segmentPatch: { name: "Spring readers", conditions: wider },
    })
  ).data;
  console.log(`${segment.name}: ${await count()} members, revision ${segment.revision}`);

  console.log("== Who entered, and why");
  let after = 0;
  for (let more = true; more;) {
    const changes = await segments.listSegmentChanges({ segmentId: segment.id, after, limit: 3 });
    for (const change of changes.data) {
      console.log(`${emails.get(change.contactId)} ${change.change}: ${change.cause}`);
    }
    after = changes.pagination.through;
    more = changes.pagination.hasMore;
  }

  console.log("== A request that is sent again");
  const idempotencyKey = "a-draft";
  const first = (await segments.createSegment({ segmentCreate: { name: "Draft" }, idempotencyKey })).data;
  const again = (await segments.createSegment({ segmentCreate: { name: "Draft" }, idempotencyKey })).data;
  console.log(`The same segment: ${yes(first.id === again.id)}`);
  await refused(segments.createSegment({ segmentCreate: { name: "Another" }, idempotencyKey }));

  console.log("== All segments");
  for (const offset of [0, 1]) {
    const listed = await segments.listSegments({ limit: 1, offset });
    const names = listed.data.map((one) => one.name).join(", ");
    console.log(`${offset + 1} of ${listed.pagination.total}: ${names}`);
  }

  console.log("== What is refused");
  const wrong: Conditions = {
    match: GroupMode.All,
    rules: [
      { field: "total_spent", operator: RuleOperator.Gte, value: 100 },
      {
        match: GroupMode.Any,
        rules: [{ field: "email", operator: RuleOperator.InLastDays, value: 30 }],
      },
    ],
  };
  await refused(segments.createSegment({ segmentCreate: { name: "Wrong", conditions: wrong } }));
  await refused(contacts.createContact({ contactCreate: { email: "ada@example.com" } }));
  const stranger = new Configuration({ basePath, accessToken: "tm_live_unknown" });
  await refused(new SegmentsApi(stranger).listSegments());

  console.log("== The end");
  for (const segmentId of [segment.id, first.id]) {
    console.log(`Deleted: ${yes((await segments.deleteSegment({ segmentId })).data.success)}`);
  }
  await refused(segments.getSegment({ segmentId: segment.id }));
}

void main();
