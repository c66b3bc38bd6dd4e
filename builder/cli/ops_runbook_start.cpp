#include <algorithm>

#include "cli/ops_runbook.h"

namespace imgbuild {
namespace {

std::vector<std::string> on_each(const Runbook& book, const std::string& command) {
  std::vector<std::string> lines;
  for (const Machine* machine : book.ours()) lines.push_back(book.ssh(*machine, command));
  return lines;
}

void add_groups(Runbook& book) {
  const std::string folder = shell_word(book.input().folder);
  book.add("2. EC2 only: security groups and the backup plan, by Terraform or by CloudFormation, and never by both. VPC is that of the subnet:");
  book.code({fmt::format("terraform -chdir={} init", folder), fmt::format("terraform -chdir={} plan -var vpc_id=\"$VPC\"", folder),
             fmt::format("terraform -chdir={} apply -var vpc_id=\"$VPC\"", folder)});
  book.add("The first `plan` must say `0 to change, 0 to destroy`. At a later one that destroys a group or the vault, stop. Its state is in that folder: "
           "keep it. Or:");
  book.code({fmt::format("aws cloudformation deploy --stack-name imgbuild-{} --template-file {} --parameter-overrides Vpc=\"$VPC\" --capabilities "
                         "CAPABILITY_IAM",
                         book.env().deployment, shell_word(book.input().folder / "cloudformation.json"))});
  book.add("It must end with `Successfully created/updated stack`. Both keep the backup vault when all else is deleted: it is deleted by hand.\n");
}

void add_cloudflare(Runbook& book) {
  if (book.input().cloudflare == OpsInput::Cloudflare::no || !book.has_own_web()) return;
  book.add("On 80, 443 and 8443 these groups let in Cloudflare alone. The machines' own firewalls stay open to all there: a machine with another group, or "
           "off EC2, is open to the");
  book.add("world. So that you see the site of one machine, such as the standby's, go through ssh, one line in one terminal:");
  std::vector<std::string> lines;
  for (const Machine* machine : book.ours()) {
    if (is_web(machine->role)) lines.push_back(book.ssh(*machine, "-N -L 8443:127.0.0.1:443"));
  }
  book.code(lines);
  book.add("and in another one:");
  book.code({"curl -k https://127.0.0.1:8443/status"});
}

void add_launch(Runbook& book) {
  book.add("3. EC2 only: an image of each role, then the machines. `--dry-run` prints what would be done:");
  std::vector<std::string> lines;
  std::vector<std::string> roles;
  for (const Machine* machine : book.ours()) {
    if (std::ranges::find(roles, machine->role) != roles.end()) continue;
    roles.push_back(machine->role);
    lines.push_back(book.imgbuild("ami upload " + machine->role));
  }
  lines.push_back(book.imgbuild("ami launch", "--subnet \"$SUBNET\" --dry-run"));
  lines.push_back(book.imgbuild("ami launch", "--subnet \"$SUBNET\""));
  book.code(lines);
  book.add("It must print a line with name and instance for each machine. If it is cut off, run the same line again: what is there is not started twice.");
  book.add("Elsewhere: start each machine with its image and its seed as second disk.\n");
}

void add_ready(Runbook& book) {
  book.add("4. Repeat until each says `ready     yes`. It takes minutes; a standby waits for the primary, so start that too:");
  book.code(on_each(book, "sudo appliance status"));
  book.add("If one does not, ask it why. Cure that, then `sudo appliance apply` there: it tries again.");
  book.code(on_each(book, "\"sudo appliance selftest; sudo cat /run/appliance/failed; sudo journalctl -b --no-pager -u 'appliance-*' -u prepare-env | tail "
                          "-n 50\""));
  book.add("If ssh does not answer, its console says `appliance[NAME]: failed` and the reason. On EC2:");
  std::vector<std::string> lines;
  for (const Machine* machine : book.ours()) {
    lines.push_back(fmt::format("aws ec2 get-console-output --latest --output text --instance-id \"{}\"", book.instance_id(*machine)));
  }
  book.code(lines);
  book.add("5. No line may say `FAIL`:");
  book.code(on_each(book, "sudo appliance selftest"));
  book.add("6. Go on with [the exchange](#exchange-of-peer-packages).\n");
}

}  // namespace

void add_preparation(Runbook& book) {
  const std::string folder = shell_word(book.input().folder);
  book.add("## In each terminal\n\nAll commands are run in the checkout of imgbuild. For EC2 set these three, to yours; `aws` and imgbuild take the region "
           "from there:");
  book.code({"cd " + shell_word(book.input().checkout), "export AWS_REGION=eu-central-1 VPC=vpc-0123 SUBNET=subnet-0123"});
  book.add("A block in parentheses stops at its first failure: then read what it says, and cure that before you run the rest. A variable without a value is "
           "yours to fill in.\n");
  book.add("`ssh_config` needs no installation: `ssh -F` reads it. To have plain `ssh {}` work, put it in front of your "
           "own:", book.env().machines.front().name);
  book.code({"touch ~/.ssh/config", fmt::format("printf 'Include \"%s\"\\n' {} | cat - ~/.ssh/config > ~/.ssh/config.new && mv ~/.ssh/config.new "
                                                "~/.ssh/config", shell_word(book.input().folder / "ssh_config"))});
  book.add("`hosts` has the names for programs other than ssh. Take the old lines out of `/etc/hosts` before you add it again:");
  book.code({fmt::format("sudo tee -a /etc/hosts < {} > /dev/null", shell_word(book.input().folder / "hosts"))});
}

void add_first_start(Runbook& book) {
  book.add("## First start\n\n1. Images, seeds, and these files:");
  book.code({book.imgbuild("deployment"), book.imgbuild_ops()});
  add_groups(book);
  add_cloudflare(book);
  add_launch(book);
  add_ready(book);
}

}  // namespace imgbuild
