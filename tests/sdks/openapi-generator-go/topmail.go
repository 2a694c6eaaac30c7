// A whole story with the client that openapi-generator makes from openapi/topmail.json in Go.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"sort"
	"strings"
	"time"

	"example.com/acme/topmail"
)

func newClient() *topmail.APIClient {
	configuration := topmail.NewConfiguration()
	configuration.Servers = topmail.ServerConfigurations{{URL: os.Getenv("DIGLOT_URL") + "/api/v1"}}
	return topmail.NewAPIClient(configuration)
}

func withKey(key string) context.Context {
	return context.WithValue(context.Background(), topmail.ContextAccessToken, key)
}

// good returns an answer of success.
func good[T any](answer T, _ *http.Response, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return answer
}

// refused returns the status of an answer that is an error, and what went wrong.
func refused(_ any, response *http.Response, err error) (int, topmail.ErrorDetail) {
	var failure *topmail.GenericOpenAPIError
	if !errors.As(err, &failure) {
		log.Fatalf("not refused: %v", err)
	}
	return response.StatusCode, failure.Model().(topmail.ErrorBody).Error
}

func yes(true bool) string {
	if true {
		return "yes"
	}
	return "no"
}

func daysAgo(days int) time.Time {
	return time.Now().AddDate(0, 0, -days)
}

func rule(field string, operator topmail.RuleOperator, value any) topmail.ConditionsItem {
	made := topmail.NewRule(field, operator)
	made.SetValue(value)
	return topmail.RuleAsConditionsItem(made)
}

func group(mode topmail.GroupMode, rules ...topmail.ConditionsItem) *topmail.Conditions {
	return &topmail.Conditions{Match: mode.Ptr(), Rules: rules}
}

// show prints a group of rules, and the groups in it.
func show(conditions topmail.Conditions, indent string) {
	fmt.Println(indent + string(conditions.GetMatch()))
	for _, item := range conditions.Rules {
		if item.Conditions != nil {
			show(*item.Conditions, indent+"  ")
		} else {
			fmt.Println(indent + "  " + item.Rule.Field + " " + string(item.Rule.Operator))
		}
	}
}

// showExplained prints what each rule says of a contact.
func showExplained(group topmail.ExplainedGroup, indent string) {
	fmt.Printf("%s%s: %s\n", indent, group.Match, yes(group.Matches))
	for _, item := range group.Rules {
		if one := item.ExplainedRule; one != nil {
			fmt.Printf("%s  %s %s: %s\n", indent, one.Rule.Field, one.Rule.Operator, yes(one.Matches))
		} else {
			showExplained(*item.ExplainedGroup, indent+"  ")
		}
	}
}

func person(email string, spent float64, opened int, fields map[string]any) *topmail.ContactCreate {
	made := topmail.NewContactCreate(email)
	made.SetTotalSpent(spent)
	made.SetLastOpenedAt(daysAgo(opened))
	made.SetAttributes(fields)
	return made
}

func main() {
	client := newClient()
	ctx := withKey(os.Getenv("DIGLOT_KEY"))

	fmt.Println("== Contacts")
	ada := person("ada@example.com", 250.5, 3, map[string]any{"plan": "pro", "seats": 5})
	ada.SetFirstName("Ada")
	ada.SetTags([]string{"vip", "newsletter"})
	bob := person("bob@example.com", 99.5, 3, map[string]any{"plan": "team", "seats": 12})
	bob.SetFirstName("Bob")
	cleo := person("cleo@example.com", 400.5, 3, map[string]any{"plan": "free"})
	cleo.SetFirstName("Cleo")
	dan := person("dan@example.com", 120.5, 60, map[string]any{"plan": "pro", "seats": 3})
	dan.SetFirstName("Dan")
	eve := person("eve@example.org", 150.5, 1, map[string]any{"plan": "team", "seats": 8})
	eve.SetFirstName("Eve")
	eve.SetTags([]string{"newsletter"})
	fay := person("fay@example.com", 500.5, 10, map[string]any{"plan": "pro"})
	ids := map[string]string{}
	emails := map[string]string{}
	for _, one := range []*topmail.ContactCreate{ada, bob, cleo, dan, eve, fay} {
		contact := good(client.ContactsAPI.CreateContact(ctx).ContactCreate(*one).Execute()).Data
		ids[contact.Email] = contact.Id
		emails[contact.Id] = contact.Email
		name := "no name"
		if first, ok := contact.GetFirstNameOk(); ok && first != nil {
			name = *first
		}
		tags := "no tags"
		if len(contact.Tags) > 0 {
			sort.Strings(contact.Tags)
			tags = strings.Join(contact.Tags, ", ")
		}
		fmt.Printf("%s: %s, %s, plan %s, %s\n", contact.Email, name, tags, contact.Attributes["plan"], contact.Status)
	}
	found := good(client.ContactsAPI.ListContacts(ctx).Search("cleo").Execute())
	fmt.Printf("Found by name: %s\n", addresses(found.Data))

	fmt.Println("== A tag and a list")
	colored := topmail.NewTagCreate("gold")
	colored.SetColor("#ffd700")
	gold := good(client.TagsAPI.CreateTag(ctx).TagCreate(*colored).Execute()).Data
	both := topmail.NewNamedContacts()
	both.SetContactIds([]string{ids["cleo@example.com"], ids["fay@example.com"]})
	tagged := good(client.TagsAPI.AddTagContacts(ctx, gold.Id).NamedContacts(*both).Execute()).Data
	fmt.Printf("Tagged %s: %d\n", gold.Name, tagged.Added)
	asked := topmail.NewListCreate("Readers")
	asked.SetDescription("Who asked for it")
	readers := good(client.ListsAPI.CreateList(ctx).ListCreate(*asked).Execute()).Data
	one := topmail.NewNamedContacts()
	one.SetContactId(ids["cleo@example.com"])
	joined := good(client.ListsAPI.AddListMembers(ctx, readers.Id).NamedContacts(*one).Execute()).Data
	fmt.Printf("%s: %s, %s, %d member\n", readers.Name, readers.Type, readers.GetDescription(), joined.MemberCount)
	detail := good(client.ContactsAPI.GetContact(ctx, ids["cleo@example.com"]).Execute()).Data
	lists := []string{}
	for _, one := range detail.Lists {
		lists = append(lists, one.Name)
	}
	fmt.Printf("%s: %s, on %s\n", detail.Email, strings.Join(detail.Tags, ", "), strings.Join(lists, ", "))

	fmt.Println("== A segment with nested rules")
	buyers := topmail.NewSegmentCreate("Spring buyers")
	buyers.SetConditions(*group(
		topmail.GROUPMODE_ALL,
		rule("total_spent", topmail.RULEOPERATOR_GTE, 100),
		rule("email", topmail.RULEOPERATOR_ENDS_WITH, "@example.com"),
		rule("last_opened_at", topmail.RULEOPERATOR_IN_LAST_DAYS, 30),
		topmail.ConditionsAsConditionsItem(group(
			topmail.GROUPMODE_ANY,
			rule("attributes.plan", topmail.RULEOPERATOR_IN_LIST, []string{"pro", "team"}),
			rule("tags", topmail.RULEOPERATOR_CONTAINS, "gold"),
		)),
	))
	segment := good(client.SegmentsAPI.CreateSegment(ctx).SegmentCreate(*buyers).Execute()).Data
	fmt.Printf("%s: revision %d\n", segment.Name, segment.Revision)
	show(segment.Conditions, "  ")

	fmt.Println("== Its members")
	count := func() int64 {
		return good(client.SegmentsAPI.EstimateSegment(ctx, segment.Id).Execute()).Data.Count
	}
	fmt.Printf("%d members\n", count())
	for _, offset := range []int64{0, 2} {
		page := good(client.SegmentsAPI.ListSegmentContacts(ctx, segment.Id).Limit(2).Offset(offset).Execute())
		fmt.Printf(
			"From %d of %d: %s; more: %s\n",
			page.Pagination.Offset, page.Pagination.Total, addresses(page.Data), yes(page.Pagination.HasMore),
		)
	}

	fmt.Println("== A contact changes, and the count follows")
	spent := topmail.NewContactPatch()
	spent.SetTotalSpent(175.5)
	changed := good(client.ContactsAPI.UpdateContact(ctx, ids["bob@example.com"]).ContactPatch(*spent).Execute()).Data
	fmt.Printf("%s has spent %v\n", changed.Email, changed.TotalSpent)
	fmt.Printf("%d members\n", count())

	fmt.Println("== What other rules would find")
	wider := group(
		topmail.GROUPMODE_ALL,
		rule("total_spent", topmail.RULEOPERATOR_GTE, 100),
		rule("last_opened_at", topmail.RULEOPERATOR_IN_LAST_DAYS, 30),
	)
	try := topmail.NewDryRun()
	try.SetConditions(*wider)
	try.SetSegmentId(segment.Id)
	dry := good(client.SegmentsAPI.DryRunSegment(ctx).DryRun(*try).Execute()).Data
	fmt.Printf(
		"%d in place of %d: %d would enter, %d would leave\n",
		dry.Total, dry.GetCurrentTotal(), dry.GetEntering(), dry.GetLeaving(),
	)
	fmt.Printf("Entering: %s\n", addresses(dry.EnteringSample))
	for _, counted := range dry.Predicates {
		fmt.Printf("%s: %s %s, true of %d\n", counted.Path, counted.Rule.Field, counted.Rule.Operator, counted.Count)
	}

	fmt.Println("== Why one is no member")
	explained := good(client.SegmentsAPI.ExplainSegment(ctx, segment.Id).Contact("dan@example.com").Execute()).Data
	fmt.Printf("dan@example.com is a member: %s\n", yes(explained.IsMember))
	showExplained(explained.GetConditions(), "  ")

	fmt.Println("== Other rules")
	patch := topmail.NewSegmentPatch()
	patch.SetName("Spring readers")
	patch.SetConditions(*wider)
	segment = good(client.SegmentsAPI.UpdateSegment(ctx, segment.Id).SegmentPatch(*patch).Execute()).Data
	fmt.Printf("%s: %d members, revision %d\n", segment.Name, count(), segment.Revision)

	fmt.Println("== Who entered, and why")
	for after, more := int64(0), true; more; {
		changes := good(client.SegmentsAPI.ListSegmentChanges(ctx, segment.Id).After(after).Limit(3).Execute())
		for _, change := range changes.Data {
			fmt.Printf("%s %s: %s\n", emails[change.GetContactId()], change.Change, change.Cause)
		}
		after, more = changes.Pagination.Through, changes.Pagination.HasMore
	}

	fmt.Println("== A request that is sent again")
	create := client.SegmentsAPI.CreateSegment(ctx).IdempotencyKey("a-draft")
	first := good(create.SegmentCreate(*topmail.NewSegmentCreate("Draft")).Execute()).Data
	again := good(create.SegmentCreate(*topmail.NewSegmentCreate("Draft")).Execute()).Data
	fmt.Printf("The same segment: %s\n", yes(first.Id == again.Id))
	status, fault := refused(create.SegmentCreate(*topmail.NewSegmentCreate("Another")).Execute())
	fmt.Printf("%d %s: %s\n", status, fault.Code, fault.Message)

	fmt.Println("== All segments")
	for _, offset := range []int64{0, 1} {
		listed := good(client.SegmentsAPI.ListSegments(ctx).Limit(1).Offset(offset).Execute())
		fmt.Printf("%d of %d: %s\n", offset+1, listed.Pagination.Total, listed.Data[0].Name)
	}

	fmt.Println("== What is refused")
	wrong := topmail.NewSegmentCreate("Wrong")
	wrong.SetConditions(*group(
		topmail.GROUPMODE_ALL,
		rule("total_spent", topmail.RULEOPERATOR_GTE, 100),
		topmail.ConditionsAsConditionsItem(group(
			topmail.GROUPMODE_ANY, rule("email", topmail.RULEOPERATOR_IN_LAST_DAYS, 30),
		)),
	))
	status, fault = refused(client.SegmentsAPI.CreateSegment(ctx).SegmentCreate(*wrong).Execute())
	fmt.Printf("%d %s: %s (%s)\n", status, fault.Code, fault.Message, fault.GetPath())
	known := *topmail.NewContactCreate("ada@example.com")
	status, fault = refused(client.ContactsAPI.CreateContact(ctx).ContactCreate(known).Execute())
	fmt.Printf("%d %s: %s\n", status, fault.Code, fault.Message)
	status, fault = refused(client.SegmentsAPI.ListSegments(withKey("tm_live_unknown")).Execute())
	fmt.Printf("%d %s: %s\n", status, fault.Code, fault.Message)

	fmt.Println("== The end")
	for _, id := range []string{segment.Id, first.Id} {
		fmt.Printf("Deleted: %s\n", yes(good(client.SegmentsAPI.DeleteSegment(ctx, id).Execute()).Data.Success))
	}
	status, fault = refused(client.SegmentsAPI.GetSegment(ctx, segment.Id).Execute())
	fmt.Printf("%d %s: %s\n", status, fault.Code, fault.Message)
}

func addresses(contacts []topmail.Contact) string {
	found := []string{}
	for _, one := range contacts {
		found = append(found, one.Email)
	}
	return strings.Join(found, ", ")
}
