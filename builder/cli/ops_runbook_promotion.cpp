#include "cli/ops_runbook.h"

namespace imgbuild {
namespace {

bool is_ours(const Machine& machine) { return machine.external == Machine::External::no; }

enum class Where { each, one_of };

/// The same command at the web servers of ours but 'except', as a shell takes it; for those of others a sentence.
void add_at_web(Runbook& book, const std::string& command, Where where, const Machine* except = nullptr) {
  const bool is_plain = command.find_first_of(";\"") == std::string::npos;
  std::vector<std::string> lines;
  for (const Machine* machine : book.web()) {
    if (is_ours(*machine) && machine != except) lines.push_back(book.ssh(*machine, is_plain ? command : "'" + command + "'"));
  }
  if (where == Where::one_of) {
    book.one_of(lines);
  } else {
    book.code(lines);
  }
  for (const Machine* machine : book.web()) {
    if (!is_ours(*machine) && machine != except) book.add("{} is kept by somebody else: there its keeper runs `{}`.\n", machine->name, command);
  }
}

void add_question(Runbook& book) {
  book.add("## Promotion\n\nNobody does it automatically. Which web server is the primary now is not in this file. Ask first:");
  add_at_web(book, "sudo appliance status", Where::each);
  book.add("See `acts as`: one is `primary`, the others are `standby`. `fenced` means that another one was promoted: see [the old one comes "
           "back](#the-old-one-comes-back).");
  book.add("If two say `primary`, the one with the higher timeline is it: `rejoin` on the other.\n");
  book.add("| what is so | do |\n|---|---|");
  book.add("| the primary answers, and another one is to take its place | [The primary answers](#the-primary-answers) |");
  for (const Machine* machine : book.web()) book.add("| {0} was the primary and does not answer | [{0} was the primary and is "
                                                     "dead](#{0}-was-the-primary-and-is-dead) |", machine->name);
  book.add("| the primary answers, votes hang, it says `standby … is gone: commits wait for it` | [A standby is dead](#a-standby-is-dead) |");
  book.add("| none of them comes back | [Restore](#restore) |\n");
}

void add_plain(Runbook& book) {
  book.add("### The primary answers\n\nOn the standby that is to be the primary, and only there, one of:");
  add_at_web(book, "sudo appliance promote", Where::one_of);
  book.add("It must end with `NAME is the primary, timeline N`. It first has the old primary fence itself. If it refuses it says why:\n");
  book.add("- `let this standby catch up`: wait until its `status` says `stream    sync`, then again.");
  book.add("- `cannot be reached`: the old primary is dead, or cut off. See below.");
  book.add("- cut off half-way: run it again.\n");
  book.add("Go on with [after every promotion](#after-every-promotion).\n");
}

/// One block of commands: it is off, and we have seen it.
void add_proof(Runbook& book, const Machine& old) {
  book.add("1. Prove that it is off. That it does not answer proves nothing: cut off from you it may go on, and then there are two. On EC2:");
  book.steps({"ID=" + book.instance_id(old), "aws ec2 stop-instances --force --instance-ids \"$ID\"",
              "aws ec2 wait instance-stopped --instance-ids \"$ID\"",
              "aws ec2 describe-instances --instance-ids \"$ID\" --query 'Reservations[].Instances[].State.Name' --output text"});
  book.add("Repeat it until it ends with `stopped`. `stopping` is not `stopped`. Elsewhere: switch it off where it runs, and see that it is off.\n");
}

void add_dead(Runbook& book, const Machine& old) {
  book.add("### {0} was the primary and is dead\n", old.name);
  add_proof(book, old);
  book.add("2. Then promote one standby, and no more than one. The reason is kept in `/var/log/appliance/audit.log`: write what you saw.");
  const std::string command = fmt::format("sudo appliance promote --old-primary-is-off \"EC2 says that {} is stopped\"", old.name);
  add_at_web(book, command, Where::one_of, &old);
  book.add("It must end with `NAME is the primary, timeline N`.\n");
  book.add("3. Only if it refuses because `its commits did not wait for this node`: the newest votes may be on the disk of {} alone. Who is responsible for "
           "the election decides:", old.name);
  book.add("bring {} back, or lose them. To lose them:", old.name);
  add_at_web(book, command + " --accept-loss \"NAME decided so\"", Where::one_of, &old);
  book.add("4. Never start the payload of {0} before `rejoin` has ended there, and give it no address that voters use. Go on with [after every "
           "promotion](#after-every-promotion).\n", old.name);
}

/// How voters get to the new primary.
void add_way(Runbook& book, const Machine& primary) {
  if (!primary.public_ip.empty()) return book.add("- {}: point `{}` to {}.", primary.name, book.env().domain, primary.public_ip);
  std::vector<std::string> lines;
  for (const Machine* old : book.web()) {
    if (old->public_ip.empty()) continue;
    lines.push_back(fmt::format("aws ec2 associate-address --allow-reassociation --instance-id \"{}\" --allocation-id \"$(aws ec2 describe-addresses "
                                "--public-ips {} --query "
                                "'Addresses[].AllocationId' --output text)\"",
                                book.instance_id(primary), old->public_ip));
  }
  if (lines.empty()) return book.add("- {}: point `{}` to {}.", primary.name, book.env().domain, primary.private_ip);
  book.add("- {}: it has no public address of its own. Point `{}` to {}, or on EC2 give it the address of the old "
           "primary:", primary.name, book.env().domain, primary.private_ip);
  book.code(lines);
  book.add("  The environment file stays as it is. ssh to that public address now finds another host key and refuses; use the private one (`ops` without "
           "`--public`).");
}

void add_afterwards(Runbook& book) {
  book.add("### After every promotion\n\n1. Lead the voters to the new primary:\n");
  for (const Machine* machine : book.web()) add_way(book, *machine);
  book.add("\n2. Look at it. `status` must say `ready     yes` and `acts as   primary`; `selftest` must have no line with `FAIL`:");
  add_at_web(book, "sudo appliance status; sudo appliance selftest", Where::each);
  book.add("3. The links must work as before, see [the exchange](#exchange-of-peer-packages) for what is expected. Authorities follow within a minute:");
  book.code({book.imgbuild_peers("verify")});
  book.add("4. The files of this folder for the new primary, one of these lines:");
  std::vector<std::string> lines;
  for (const Machine* machine : book.web()) lines.push_back(book.imgbuild_ops(machine));
  book.one_of(lines);
  book.add("5. As long as it is alone the new primary waits for no standby: what it acknowledges is on one disk. So at once [bring the old one "
           "back](#the-old-one-comes-back).\n");
  book.add("### The old one comes back\n\nOn every web server that is not the primary:");
  add_at_web(book, "sudo appliance rejoin", Where::each);
  book.add("It must end with `NAME is a synchronous standby of` the primary. What it alone had is turned back. If it is off, start it, and let it stay at "
           "its 503 page until then.");
  book.add("Then `status` of the primary must say `stream    sync`. A machine that is lost for good: see [Restore](#restore).\n");
}

void add_degrade(Runbook& book) {
  book.add("### A standby is dead\n\nEach commit waits for it, so votes hang. Nothing is lost while they hang. The same is so in any step that takes a "
           "standby away.\n");
  book.add("1. If it can be started within minutes, start it and do nothing else: it comes back by itself.");
  book.add("2. Else, on the primary and only there:");
  add_at_web(book, "sudo appliance degrade --yes", Where::each);
  book.add("It must say `commits no longer wait for NAME; they do again once it has come back`. The risk: votes are then on one disk alone. If that is "
           "lost, so are they, and a");
  book.add("promotion needs `--accept-loss`. Who is responsible for the election must know.\n");
  book.add("3. It ends by itself once the standby streams again: `status` says `stream    sync`, and no line `alarm`. If it does not come back: see "
           "[Restore](#restore).\n");
}

}  // namespace

void add_promotion(Runbook& book) {
  add_question(book);
  add_plain(book);
  for (const Machine* machine : book.web()) add_dead(book, *machine);
  add_afterwards(book);
  add_degrade(book);
}

}  // namespace imgbuild
