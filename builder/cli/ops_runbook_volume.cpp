#include "cli/ops_runbook.h"
#include "util/size.h"

namespace imgbuild {
namespace {

std::string association(const std::string& address) {
  return fmt::format("\"$(aws ec2 describe-addresses --public-ips {} --query 'Addresses[].AssociationId' --output text)\"", address);
}

/// What tells the root from the seed.
std::string root_size(const Machine& machine) { return machine.disk ? format_byte_size(*machine.disk) : "the larger one"; }

}  // namespace

void add_way_closed(Runbook& book, const std::vector<const Machine*>& machines) {
  std::vector<std::string> lines;
  for (const Machine* machine : machines) {
    if (!machine->public_ip.empty()) lines.push_back("aws ec2 disassociate-address --association-id " + association(machine->public_ip));
  }
  if (!lines.empty()) book.code(lines);
}

void add_way_opened(Runbook& book, const Machine& machine) {
  if (machine.public_ip.empty()) return book.add("{}: its DNS record leads to {} again.\n", machine.name, machine.private_ip);
  book.code({fmt::format("aws ec2 associate-address --instance-id \"{}\" --allocation-id \"$(aws ec2 describe-addresses --public-ips {} --query "
                         "'Addresses[].AllocationId' --output text)\"",
                         book.instance_id(machine), machine.public_ip)});
}

void add_volume_restored(Runbook& book, const Machine& machine) {
  book.add("Find the moment, the newest last. AMI is what follows the last `/` of its line, `ami-` and so on:");
  book.code({fmt::format("aws backup list-recovery-points-by-backup-vault --backup-vault-name {} --query "
                         "'sort_by(RecoveryPoints,&CreationDate)[].[CreationDate,ResourceArn,RecoveryPointArn]' --output text",
                         backup_name(book.env())),
              "AMI=", "aws ec2 describe-images --image-ids \"${AMI:?}\" --query 'Images[].BlockDeviceMappings[].[DeviceName,Ebs.SnapshotId,Ebs.VolumeSize]' "
                     "--output text"});
  book.add("It has two snapshots. SNAP is that of `/dev/sda1`, the root ({}). That of `/dev/sdf`, 1 GiB, is the seed: never take it. "
           "Then:", root_size(machine));
  const std::string ask = "aws ec2 describe-instances --instance-ids \"$ID\" --query ";
  book.steps({"SNAP=", "echo \"from ${SNAP:?}\"", "ID=" + book.instance_id(machine),
              "aws ec2 stop-instances --instance-ids \"$ID\"",
              "aws ec2 wait instance-stopped --instance-ids \"$ID\"",
              "ZONE=$(" + ask + "'Reservations[].Instances[].Placement.AvailabilityZone' --output text)",
              "OLD=$(" + ask + "\"Reservations[].Instances[].BlockDeviceMappings[?DeviceName=='/dev/sda1'].Ebs.VolumeId\" --output text)",
              fmt::format("NEW=$(aws ec2 create-volume --snapshot-id \"${{SNAP:?}}\" --availability-zone \"$ZONE\" --volume-type gp3 --tag-specifications "
                         "'ResourceType=volume,Tags=[{{Key=Name,Value={}-restored-1}}]' --query VolumeId --output text)",
                         machine.name),
              "aws ec2 wait volume-available --volume-ids \"$NEW\"", "aws ec2 detach-volume --volume-id \"$OLD\"",
              "aws ec2 wait volume-available --volume-ids \"$OLD\"",
              "aws ec2 attach-volume --volume-id \"$NEW\" --instance-id \"$ID\" --device /dev/sda1",
              "aws ec2 start-instances --instance-ids \"$ID\"", "echo \"of before: $OLD\""});
  book.add("Keep the volume of before: write its id down. Look before anybody else does:");
  book.code({book.ssh(machine, "\"sudo appliance status; sudo appliance selftest\"")});
}

}  // namespace imgbuild
