"""The calls of EC2 about instances: where they are started, with what, their states and their addresses."""

import base64
import ipaddress
import time

from cloud import new_id, tag_list, tags_of
from cloud_ec2 import Ec2, matches
from refused import Refused

CODES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}


def require(ids, known, code, message):
    for item in ids:
        if item not in known:
            raise Refused(400, code, message.format(item))


class Instances(Ec2):
    def _given(self, setting, key):
        return {item[key]: item for item in self.settings.get(setting, [])}

    # --- of what and where instances are ---

    def DescribeSubnets(self, region, p):
        self._dry(p)
        subnets = self._given("subnets", "SubnetId")
        require(p.get("SubnetIds", []), subnets, "InvalidSubnetID.NotFound", "The subnet ID '{}' does not exist")
        return {"Subnets": [s for name, s in subnets.items() if name in p.get("SubnetIds", [name]) and matches(p.get("Filters"), {"subnet-id": name}, {})]}

    def DescribeSecurityGroups(self, region, p):
        return {"SecurityGroups": [g for g in self.settings.get("groups", [])
                                   if matches(p.get("Filters"), {"group-name": g["GroupName"], "vpc-id": g["VpcId"]}, {})]}

    def DescribeAddresses(self, region, p):
        addresses = self._given("addresses", "PublicIp")
        require(p.get("PublicIps", []), addresses, "InvalidAddress.NotFound", "Address '{}' not found.")
        found = [a for name, a in addresses.items() if name in p.get("PublicIps", [name]) and matches(p.get("Filters"), {"public-ip": name}, {})]
        return {"Addresses": [{**a, **self._association(a["AllocationId"])} for a in found]}

    def _association(self, allocation):
        """Of an address with an instance; that of one that has ended is over."""
        for name, instance in self.instances.items():
            if instance.get("address") == allocation and self._state(instance) != "terminated":
                return {"InstanceId": name, "AssociationId": "eipassoc-1"}
        return {}

    def AssociateAddress(self, region, p):
        require([p["AllocationId"]], self._given("addresses", "AllocationId"), "InvalidAllocationID.NotFound", "The allocation ID '{}' does not exist")
        require([p["InstanceId"]], self.instances, "InvalidInstanceID.NotFound", "The instance ID '{}' does not exist")
        instance = self.instances[p["InstanceId"]]
        if self._state(instance) not in ("running", "stopped"):
            raise Refused(400, "InvalidInstanceID", f"The {self._state(instance)} instance '{p['InstanceId']}' is not in a valid state for this operation.")
        for other in self.instances.values():
            if other.get("address") == p["AllocationId"]:
                del other["address"]
        instance["address"] = p["AllocationId"]
        return {"AssociationId": "eipassoc-1"}

    # --- their states ---

    def _state(self, instance):
        if said := self.settings.get("instance_states", {}).get(instance["InstanceId"]):
            instance["state"] = said
        elif instance["state"] == "pending" and time.time() - instance["made"] >= self.settings.get("instance_s", 0.3):
            sources = [m["Ebs"]["SnapshotId"] for m in instance["asked"].get("BlockDeviceMappings", []) if "SnapshotId" in m["Ebs"]]
            if not all(source in self.snapshots for source in sources):
                instance["reason"] = "Client.InvalidSnapshot.NotFound: The snapshot does not exist."
            instance["state"] = "terminated" if instance["reason"] else "running"
        return instance["state"]

    def _is_news(self, instance):
        return time.time() - instance["made"] < self.settings.get("instance_news_s", 0)

    def DescribeInstances(self, region, p):
        self._dry(p)
        known = {name: i for name, i in self.instances.items() if i["region"] == region and not self._is_news(i)}
        require(p.get("InstanceIds", []), known, "InvalidInstanceID.NotFound", "The instance ID '{}' does not exist")
        return {"Reservations": [{"Instances": [self._out(i)]} for name, i in known.items() if name in p.get("InstanceIds", [name])
                                 and matches(p.get("Filters"), {"instance-id": name, "instance-state-name": self._state(i)}, i["tags"])]}

    def _out(self, instance):
        out = {"InstanceId": instance["InstanceId"], "State": {"Code": CODES[self._state(instance)], "Name": self._state(instance)},
               "Tags": tag_list(instance["tags"]), "PrivateIpAddress": instance["asked"]["NetworkInterfaces"][0]["PrivateIpAddress"]}
        if instance["reason"] and instance["state"] == "terminated":
            out["StateReason"] = {"Code": instance["reason"].partition(":")[0], "Message": instance["reason"]}
        return out

    # --- their start ---

    def _started_before(self, p):
        """The instance that the client token was used for."""
        if p.get("DryRun") or "ClientToken" not in p:
            return None
        for instance in self.instances.values():
            if instance["asked"].get("ClientToken") != p["ClientToken"]:
                continue
            if self._state(instance) == "terminated":
                raise Refused(400, "IdempotentInstanceTerminated", "The client token you have provided is associated with a terminated instance.")
            if instance["asked"] != p:
                raise Refused(400, "IdempotentParameterMismatch", "Arguments on this idempotent request are inconsistent with arguments used before.")
            return instance
        return None

    def _check_volumes(self, region, image, mappings):
        roots = {m["DeviceName"]: m["Ebs"] for m in image["BlockDeviceMappings"]}
        for mapping in mappings:
            ebs = {**roots.get(mapping["DeviceName"], {}), **mapping["Ebs"]}
            if "SnapshotId" not in ebs:
                raise Refused(400, "InvalidBlockDeviceMapping", "a volume without a snapshot")
            snapshot = self._snapshot(region, ebs["SnapshotId"])
            if self._settled(snapshot) != "completed":
                raise Refused(400, "IncorrectState", f"Snapshot is in invalid state - {self._settled(snapshot)}")
            if ebs.get("VolumeSize", snapshot.size) < snapshot.size:
                raise Refused(400, "InvalidBlockDeviceMapping", f"Volume of size {ebs['VolumeSize']}GB is smaller than snapshot '{snapshot.id}', "
                              f"expect size>= {snapshot.size}GB")

    def _check_network(self, interface):
        subnets, groups = self._given("subnets", "SubnetId"), self._given("groups", "GroupId")
        require([interface["SubnetId"]], subnets, "InvalidSubnetID.NotFound", "The subnet ID '{}' does not exist")
        require(interface["Groups"], groups, "InvalidGroup.NotFound", "The security group '{}' does not exist")
        subnet, address = subnets[interface["SubnetId"]], interface["PrivateIpAddress"]
        if any(groups[group]["VpcId"] != subnet["VpcId"] for group in interface["Groups"]):
            raise Refused(400, "InvalidParameter", "Security group and subnet belong to different networks.")
        if ipaddress.ip_address(address) not in ipaddress.ip_network(subnet["CidrBlock"]):
            raise Refused(400, "InvalidParameterValue", f"Address {address} does not fall within the subnet's address range")
        for instance in self.instances.values():
            if instance["asked"]["NetworkInterfaces"][0]["PrivateIpAddress"] == address and self._state(instance) != "terminated":
                raise Refused(400, "InvalidIPAddress.InUse", f"Address {address} is in use.")

    def RunInstances(self, region, p):
        instance = self._started_before(p)
        if not instance:
            image = self._image(region, p["ImageId"])
            if self._image_out(image)["State"] != "available":
                raise Refused(400, "InvalidAMIID.Unavailable", f"The image ID '{p['ImageId']}' is not available")
            if len(base64.b64decode(p.get("UserData", ""))) > 16384:
                raise Refused(400, "InvalidParameterValue", "User data is limited to 16384 bytes")
            self._check_volumes(region, image, p.get("BlockDeviceMappings", []))
            for interface in p.get("NetworkInterfaces", []):
                self._check_network(interface)
            self._dry(p)
            instance = {"InstanceId": new_id("i"), "asked": p, "region": region, "made": time.time(), "state": "pending",
                        "reason": self.settings.get("instance_failure"), "tags": tags_of(p.get("TagSpecifications"), "instance")}
            self.instances[instance["InstanceId"]] = instance
        return {"Instances": [{"InstanceId": instance["InstanceId"]}]}
