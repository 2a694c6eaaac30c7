// A whole story with the client that openapi-generator makes from openapi/misar.json in Go.
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

	"example.com/acme/misar"
)

func newClient() *misar.APIClient {
	configuration := misar.NewConfiguration()
	configuration.Servers = misar.ServerConfigurations{{URL: os.Getenv("DIGLOT_URL")}}
	return misar.NewAPIClient(configuration)
}

func withKey(key string) context.Context {
	return context.WithValue(context.Background(), misar.ContextAccessToken, key)
}

// good returns an answer of success.
func good[T any](answer T, _ *http.Response, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return answer
}

// refused returns the status of an answer that is an error, and what went wrong.
func refused(_ any, response *http.Response, err error) (int, misar.ErrorBody) {
	var failure *misar.GenericOpenAPIError
	if !errors.As(err, &failure) {
		log.Fatalf("not refused: %v", err)
	}
	return response.StatusCode, failure.Model().(misar.ErrorBody)
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

func rule(field string, operator misar.RuleOperator, value any) misar.FilterCriteriaItem {
	made := misar.NewRule(field, operator)
	made.SetValue(value)
	return misar.RuleAsFilterCriteriaItem(made)
}

func group(mode misar.GroupMode, rules ...misar.FilterCriteriaItem) *misar.FilterCriteria {
	return &misar.FilterCriteria{Operator: mode.Ptr(), Rules: rules}
}

// show prints a group of rules, and the groups in it.
func show(criteria misar.FilterCriteria, indent string) {
	fmt.Println(indent + string(criteria.GetOperator()))
	for _, item := range criteria.Rules {
		if item.FilterCriteria != nil {
			show(*item.FilterCriteria, indent+"  ")
		} else {
			fmt.Println(indent + "  " + item.Rule.Field + " " + string(item.Rule.Operator))
		}
	}
}

// showExplained prints what each rule says of a contact.
func showExplained(group misar.ExplainedGroup, indent string) {
	fmt.Printf("%s%s: %s\n", indent, group.Operator, yes(group.Matches))
	for _, item := range group.Rules {
		if one := item.ExplainedRule; one != nil {
			fmt.Printf("%s  %s %s: %s\n", indent, one.Rule.Field, one.Rule.Operator, yes(one.Matches))
		} else {
			showExplained(*item.ExplainedGroup, indent+"  ")
		}
	}
}

func person(email string, spent float64, opened int, fields map[string]any) *misar.ContactCreate {
	made := misar.NewContactCreate(email)
	made.SetTotalSpent(spent)
	made.SetLastOpenedAt(daysAgo(opened))
	made.SetCustomFields(fields)
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
	cleo.SetTags([]string{"vip"})
	dan := person("dan@example.com", 120.5, 60, map[string]any{"plan": "pro", "seats": 3})
	dan.SetFirstName("Dan")
	eve := person("eve@example.org", 150.5, 1, map[string]any{"plan": "team", "seats": 8})
	eve.SetFirstName("Eve")
	eve.SetTags([]string{"newsletter"})
	fay := person("fay@example.com", 500.5, 10, map[string]any{"plan": "pro"})
	ids := map[string]string{}
	emails := map[string]string{}
	for _, one := range []*misar.ContactCreate{ada, bob, cleo, dan, eve, fay} {
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
		fmt.Printf("%s: %s, %s, plan %s, %s\n", contact.Email, name, tags, contact.CustomFields["plan"], contact.Status)
	}
	found := good(client.ContactsAPI.ListContacts(ctx).Search("cleo").Execute())
	fmt.Printf("Found by name: %s\n", addresses(found.Data))

	fmt.Println("== A segment with nested rules")
	buyers := misar.NewSegmentCreate("Spring buyers", misar.SEGMENTTYPE_DYNAMIC, *group(
		misar.GROUPMODE_AND,
		rule("total_spent", misar.RULEOPERATOR_GTE, 100),
		rule("email", misar.RULEOPERATOR_ENDS_WITH, "@example.com"),
		rule("last_opened_at", misar.RULEOPERATOR_IN_LAST_DAYS, 30),
		misar.FilterCriteriaAsFilterCriteriaItem(group(
			misar.GROUPMODE_OR,
			rule("custom_fields.plan", misar.RULEOPERATOR_IN, []string{"pro", "team"}),
			rule("tags", misar.RULEOPERATOR_CONTAINS, "vip"),
		)),
	))
	buyers.SetDescription("Who buys, and reads")
	segment := good(client.SegmentsAPI.CreateSegment(ctx).SegmentCreate(*buyers).Execute()).Data
	fmt.Printf("%s: %s, %s, revision %d\n", segment.Name, segment.SegmentType, segment.GetDescription(), segment.Revision)
	show(segment.FilterCriteria, "  ")

	fmt.Println("== Its members")
	preview := good(client.SegmentsAPI.PreviewSegment(ctx, segment.Id).Execute()).Data
	samples := []string{}
	for _, one := range preview.Contacts {
		samples = append(samples, one.Email)
	}
	fmt.Printf("%d, such as %s\n", preview.TotalMatching, strings.Join(samples, ", "))
	for _, number := range []int64{1, 2} {
		page := good(client.SegmentsAPI.ListSegmentMembers(ctx, segment.Id).Page(number).Limit(2).Execute())
		shown := []string{}
		for _, one := range page.Data.ContactIds {
			shown = append(shown, emails[one])
		}
		fmt.Printf("Page %d of %d: %s\n", page.Pagination.Page, page.Pagination.TotalPages, strings.Join(shown, ", "))
	}

	fmt.Println("== A contact changes, and the count follows")
	spent := misar.NewContactPatch()
	spent.SetTotalSpent(175.5)
	changed := good(client.ContactsAPI.UpdateContact(ctx, ids["bob@example.com"]).ContactPatch(*spent).Execute()).Data
	fmt.Printf("%s has spent %v\n", changed.Email, changed.TotalSpent)
	fmt.Printf("%d members\n", good(client.SegmentsAPI.GetSegment(ctx, segment.Id).Execute()).Data.ContactCount)

	fmt.Println("== What other rules would find")
	wider := group(
		misar.GROUPMODE_AND,
		rule("total_spent", misar.RULEOPERATOR_GTE, 100),
		rule("last_opened_at", misar.RULEOPERATOR_IN_LAST_DAYS, 30),
	)
	try := misar.NewDryRun(*wider)
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
	showExplained(explained.GetFilterCriteria(), "  ")

	fmt.Println("== Other rules")
	patch := misar.NewSegmentPatch()
	patch.SetName("Spring readers")
	patch.SetFilterCriteria(*wider)
	segment = good(client.SegmentsAPI.UpdateSegment(ctx, segment.Id).SegmentPatch(*patch).Execute()).Data
	fmt.Printf("%s: %d members, revision %d\n", segment.Name, segment.ContactCount, segment.Revision)

	fmt.Println("== Who entered, and why")
	for after, more := int64(0), true; more; {
		changes := good(client.SegmentsAPI.ListSegmentChanges(ctx, segment.Id).After(after).Limit(3).Execute())
		for _, change := range changes.Data {
			fmt.Printf("%s %s: %s\n", emails[change.GetContactId()], change.Change, change.Cause)
		}
		after, more = changes.Pagination.Through, changes.Pagination.HasMore
	}

	fmt.Println("== A request that is sent again")
	nobody := *misar.NewFilterCriteria([]misar.FilterCriteriaItem{})
	draft := *misar.NewSegmentCreate("Draft", misar.SEGMENTTYPE_DYNAMIC, nobody)
	create := client.SegmentsAPI.CreateSegment(ctx).IdempotencyKey("a-draft")
	first := good(create.SegmentCreate(draft).Execute()).Data
	again := good(create.SegmentCreate(draft).Execute()).Data
	fmt.Printf("The same segment: %s\n", yes(first.Id == again.Id))
	another := *misar.NewSegmentCreate("Another", misar.SEGMENTTYPE_DYNAMIC, nobody)
	status, fault := refused(create.SegmentCreate(another).Execute())
	fmt.Printf("%d: %s\n", status, fault.Error)

	fmt.Println("== All segments")
	for _, number := range []int64{1, 2} {
		listed := good(client.SegmentsAPI.ListSegments(ctx).Page(number).Limit(1).Execute()).Data
		item := listed.Segments[0]
		fmt.Printf("%d of %d: %s, %d members\n", number, listed.Pagination.TotalPages, item.Name, item.ContactCount)
	}

	fmt.Println("== What is refused")
	wrong := *misar.NewSegmentCreate("Wrong", misar.SEGMENTTYPE_DYNAMIC, *group(
		misar.GROUPMODE_AND,
		rule("total_spent", misar.RULEOPERATOR_GTE, "many"),
		misar.FilterCriteriaAsFilterCriteriaItem(group(
			misar.GROUPMODE_OR, rule("email", misar.RULEOPERATOR_IN_LAST_DAYS, 30),
		)),
	))
	status, fault = refused(client.SegmentsAPI.CreateSegment(ctx).SegmentCreate(wrong).Execute())
	fmt.Printf("%d: %s\n", status, fault.Error)
	for field, faults := range fault.Details.FieldErrors {
		for _, one := range faults {
			fmt.Printf("  %s: %s\n", field, one)
		}
	}
	known := *misar.NewContactCreate("ada@example.com")
	status, fault = refused(client.ContactsAPI.CreateContact(ctx).ContactCreate(known).Execute())
	fmt.Printf("%d: %s\n", status, fault.Error)
	status, fault = refused(client.SegmentsAPI.ListSegments(withKey("msk_unknown")).Execute())
	fmt.Printf("%d: %s\n", status, fault.Error)

	fmt.Println("== The end")
	for _, id := range []string{segment.Id, first.Id} {
		fmt.Printf("Deleted: %s\n", yes(good(client.SegmentsAPI.DeleteSegment(ctx, id).Execute()).Success))
	}
	status, fault = refused(client.SegmentsAPI.GetSegment(ctx, segment.Id).Execute())
	fmt.Printf("%d: %s\n", status, fault.Error)
}

func addresses(contacts []misar.Contact) string {
	found := []string{}
	for _, one := range contacts {
		found = append(found, one.Email)
	}
	return strings.Join(found, ", ")
}
