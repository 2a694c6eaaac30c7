# A whole story with the client that openapi-generator makes from openapi/misar.json in Ruby.

# frozen_string_literal: true

$LOAD_PATH.unshift File.join(__dir__, 'misar-ruby', 'lib')

require 'json'
require 'time'
require 'uri'
require 'diglot_misar'

include DiglotMisar

def connect(key)
  address = URI(ENV.fetch('DIGLOT_URL'))
  ApiClient.new(Configuration.new do |config|
    config.scheme = address.scheme
    config.host = "#{address.host}:#{address.port}"
    config.access_token = key
  end)
end

# Prints an answer that is an error.
def refused
  yield
rescue ApiError => refusal
  error = ErrorBody.build_from_hash(JSON.parse(refusal.response_body, symbolize_names: true))
  puts "#{refusal.code}: #{error.error}"
  (error.details&.field_errors || {}).each do |field, faults|
    faults.each { |fault| puts "  #{field}: #{fault}" }
  end
else
  abort 'not refused'
end

def yes(truth)
  truth ? 'yes' : 'no'
end

def days_ago(days)
  (Time.now.utc - days * 24 * 60 * 60).iso8601
end

def addresses(contacts)
  contacts.map(&:email).join(', ')
end

def rule(field, operator, value)
  Rule.new(field: field, operator: operator, value: value)
end

def group(mode, *rules)
  FilterCriteria.new(operator: mode, rules: rules)
end

# Prints a group of rules, and the groups in it.
def show(group, indent = '  ')
  puts "#{indent}#{group.operator}"
  group.rules.each do |item|
    if item.is_a?(FilterCriteria)
      show(item, "#{indent}  ")
    else
      puts "#{indent}  #{item.field} #{item.operator}"
    end
  end
end

# Prints what each rule says of a contact.
def show_explained(group, indent = '  ')
  puts "#{indent}#{group.operator}: #{yes(group.matches)}"
  group.rules.each do |item|
    if item.is_a?(ExplainedGroup)
      show_explained(item, "#{indent}  ")
    else
      puts "#{indent}  #{item.rule.field} #{item.rule.operator}: #{yes(item.matches)}"
    end
  end
end

client = connect(ENV.fetch('DIGLOT_KEY'))
contacts = ContactsApi.new(client)
segments = SegmentsApi.new(client)

puts '== Contacts'
people = [
  ContactCreate.new(
    email: 'ada@example.com', first_name: 'Ada', tags: %w[vip newsletter], total_spent: 250.5,
    last_opened_at: days_ago(3), custom_fields: { plan: 'pro', seats: 5 }
  ),
  ContactCreate.new(
    email: 'bob@example.com', first_name: 'Bob', total_spent: 99.5,
    last_opened_at: days_ago(3), custom_fields: { plan: 'team', seats: 12 }
  ),
  ContactCreate.new(
    email: 'cleo@example.com', first_name: 'Cleo', tags: ['vip'], total_spent: 400.5,
    last_opened_at: days_ago(3), custom_fields: { plan: 'free' }
  ),
  ContactCreate.new(
    email: 'dan@example.com', first_name: 'Dan', total_spent: 120.5,
    last_opened_at: days_ago(60), custom_fields: { plan: 'pro', seats: 3 }
  ),
  ContactCreate.new(
    email: 'eve@example.org', first_name: 'Eve', tags: ['newsletter'], total_spent: 150.5,
    last_opened_at: days_ago(1), custom_fields: { plan: 'team', seats: 8 }
  ),
  ContactCreate.new(
    email: 'fay@example.com', total_spent: 500.5, last_opened_at: days_ago(10), custom_fields: { plan: 'pro' }
  )
]
ids = {}
people.each do |person|
  contact = contacts.create_contact(person).data
  ids[contact.email] = contact.id
  name = contact.first_name || 'no name'
  tagged = contact.tags.empty? ? 'no tags' : contact.tags.sort.join(', ')
  puts "#{contact.email}: #{name}, #{tagged}, plan #{contact.custom_fields['plan']}, #{contact.status}"
end
emails = ids.invert
puts "Found by name: #{addresses(contacts.list_contacts(search: 'cleo').data)}"

puts '== A segment with nested rules'
segment = segments.create_segment(SegmentCreate.new(
  name: 'Spring buyers',
  segment_type: SegmentType::DYNAMIC,
  description: 'Who buys, and reads',
  filter_criteria: group(
    GroupMode::AND,
    rule('total_spent', RuleOperator::GTE, 100),
    rule('email', RuleOperator::ENDS_WITH, '@example.com'),
    rule('last_opened_at', RuleOperator::IN_LAST_DAYS, 30),
    group(
      GroupMode::OR,
      rule('custom_fields.plan', RuleOperator::IN, %w[pro team]),
      rule('tags', RuleOperator::CONTAINS, 'vip')
    )
  )
)).data
puts "#{segment.name}: #{segment.segment_type}, #{segment.description}, revision #{segment.revision}"
show(segment.filter_criteria)

puts '== Its members'
preview = segments.preview_segment(segment.id).data
puts "#{preview.total_matching}, such as #{addresses(preview.contacts)}"
[1, 2].each do |number|
  page = segments.list_segment_members(segment.id, page: number, limit: 2)
  shown = page.data.contact_ids.map { |id| emails[id] }.join(', ')
  puts "Page #{page.pagination.page} of #{page.pagination.total_pages}: #{shown}"
end

puts '== A contact changes, and the count follows'
bob = contacts.update_contact(ids['bob@example.com'], ContactPatch.new(total_spent: 175.5)).data
puts "#{bob.email} has spent #{bob.total_spent}"
puts "#{segments.get_segment(segment.id).data.contact_count} members"

puts '== What other rules would find'
wider = group(
  GroupMode::AND,
  rule('total_spent', RuleOperator::GTE, 100),
  rule('last_opened_at', RuleOperator::IN_LAST_DAYS, 30)
)
dry = segments.dry_run_segment(DryRun.new(filter_criteria: wider, segment_id: segment.id)).data
puts "#{dry.total} in place of #{dry.current_total}: #{dry.entering} would enter, #{dry.leaving} would leave"
puts "Entering: #{addresses(dry.entering_sample)}"
dry.predicates.each do |counted|
  asked = counted.rule
  puts "#{counted.path}: #{asked.field} #{asked.operator}, true of #{counted.count}"
end

puts '== Why one is no member'
explained = segments.explain_segment(segment.id, 'dan@example.com').data
puts "dan@example.com is a member: #{yes(explained.is_member)}"
show_explained(explained.filter_criteria)

puts '== Other rules'
patch = SegmentPatch.new(name: 'Spring readers', filter_criteria: wider)
segment = segments.update_segment(segment.id, patch).data
puts "#{segment.name}: #{segment.contact_count} members, revision #{segment.revision}"

puts '== Who entered, and why'
after = 0
loop do
  changes = segments.list_segment_changes(segment.id, after: after, limit: 3)
  changes.data.each { |change| puts "#{emails[change.contact_id]} #{change.change}: #{change.cause}" }
  after = changes.pagination.through
  break unless changes.pagination.has_more
end

puts '== A request that is sent again'
draft = { name: 'Draft', segment_type: SegmentType::DYNAMIC, filter_criteria: FilterCriteria.new(rules: []) }
first = segments.create_segment(SegmentCreate.new(draft), idempotency_key: 'a-draft').data
again = segments.create_segment(SegmentCreate.new(draft), idempotency_key: 'a-draft').data
puts "The same segment: #{yes(first.id == again.id)}"
another = SegmentCreate.new(draft.merge(name: 'Another'))
refused { segments.create_segment(another, idempotency_key: 'a-draft') }

puts '== All segments'
[1, 2].each do |number|
  listed = segments.list_segments(page: number, limit: 1).data
  item = listed.segments.first
  puts "#{number} of #{listed.pagination.total_pages}: #{item.name}, #{item.contact_count} members"
end

puts '== What is refused'
wrong = SegmentCreate.new(
  name: 'Wrong',
  segment_type: SegmentType::DYNAMIC,
  filter_criteria: group(
    GroupMode::AND,
    rule('total_spent', RuleOperator::GTE, 'many'),
    group(GroupMode::OR, rule('email', RuleOperator::IN_LAST_DAYS, 30))
  )
)
refused { segments.create_segment(wrong) }
refused { contacts.create_contact(ContactCreate.new(email: 'ada@example.com')) }
refused { SegmentsApi.new(connect('msk_unknown')).list_segments }

puts '== The end'
[segment.id, first.id].each { |id| puts "Deleted: #{yes(segments.delete_segment(id).success)}" }
refused { segments.get_segment(segment.id) }
