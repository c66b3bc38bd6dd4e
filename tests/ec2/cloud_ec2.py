"""The calls of EC2 itself: images, snapshots, imports. Those about instances are in cloud_instances.py."""

import os
import re
import subprocess
import time

from cloud import DEFAULT_KEY, Cloud, Snapshot, new_id, tag_list, tags_of
from refused import Refused

IMAGE_DEFAULTS = {"Architecture": "i386", "VirtualizationType": "paravirtual", "EnaSupport": False}


def matches(filters, facts, tags):
    """'facts' has a value, or a set of them, for each filter that constraints.py lets through."""
    for item in filters or []:
        name = item["Name"]
        have = set(tags) if name == "tag-key" else tags.get(name[4:]) if name.startswith("tag:") else facts[name]
        if not set(item["Values"]) & (have if isinstance(have, set) else {have}):
            return False
    return True


class Ec2(Cloud):
    # --- images ---

    def _dry(self, p):
        if p.get("DryRun"):
            raise Refused(412, "DryRunOperation", "Request would have succeeded, but DryRun flag is set.")

    def RegisterImage(self, region, p):
        if not re.fullmatch(r"[a-zA-Z0-9()\[\] ./'@_-]{3,128}", p["Name"]):
            raise Refused(400, "InvalidAMIName.Malformed", "AMI names must be between 3 and 128 characters long")
        if any(image["Name"] == p["Name"] and image["region"] == region for image in self.images.values()):
            raise Refused(400, "InvalidAMIName.Duplicate", f"AMI name {p['Name']} is already in use by AMI ami-1")
        self._dry(p)
        for mapping in p["BlockDeviceMappings"]:
            snapshot = self.snapshots.get(mapping["Ebs"]["SnapshotId"])
            if not snapshot or snapshot.region != region or self._settled(snapshot) != "completed":
                raise Refused(400, "InvalidSnapshot.NotFound", "The snapshot does not exist or is not completed.")
            if "Encrypted" in mapping["Ebs"]:
                raise Refused(400, "InvalidBlockDeviceMapping", "the encryption of a snapshot can't be set")
        image = {**IMAGE_DEFAULTS, **p, "ImageId": new_id("ami"), "region": region, "tags": {}, "made": time.time(), "launch": []}
        self.images[image["ImageId"]] = image
        return {"ImageId": image["ImageId"]}

    def _image(self, region, image_id):
        image = self.images.get(image_id)
        if not image or image["region"] != region:
            raise Refused(400, "InvalidAMIID.NotFound", f"The image id '[{image_id}]' does not exist")
        return image

    def _image_out(self, image):
        state = "available" if time.time() - image["made"] >= self.settings.get("image_s", 0.2) else "pending"
        state = "deregistered" if image.get("gone") else self.settings.get("image_states", {}).get(image["ImageId"], state)
        devices = [{"DeviceName": m["DeviceName"], "Ebs": {"Encrypted": self._encrypted(m), **m["Ebs"]}} for m in image["BlockDeviceMappings"]]
        keys = ("ImageId", "Name", "Architecture", "VirtualizationType", "EnaSupport", "BootMode", "ImdsSupport", "RootDeviceName", "Description")
        return {**{key: image[key] for key in keys if key in image}, "State": state, "OwnerId": "111122223333", "Tags": tag_list(image["tags"]),
                "BlockDeviceMappings": devices, "CreationDate": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(image["made"]))}

    def _encrypted(self, mapping):
        snapshot = self.snapshots.get(mapping["Ebs"]["SnapshotId"])
        return bool(snapshot and snapshot.encrypted)

    def DescribeImages(self, region, p):
        self._dry(p)
        for image_id in p.get("ImageIds", []):
            self._image(region, image_id)
        return {"Images": [self._image_out(image) for image in self._all_images(region)
                           if image["ImageId"] in p.get("ImageIds", [image["ImageId"]])
                           and matches(p.get("Filters"), self._image_facts(image), image["tags"])]}

    def _all_images(self, region):
        """Those that were deregistered moments ago are still shown."""
        shown = [image for image in self.deregistered if time.time() - image["gone"] < self.settings.get("deregistered_s", 0)]
        return [image for image in [*self.images.values(), *shown] if image["region"] == region]

    def _image_facts(self, image):
        return {"name": image["Name"], "image-id": image["ImageId"], "state": self._image_out(image)["State"],
                "block-device-mapping.snapshot-id": {m["Ebs"]["SnapshotId"] for m in image["BlockDeviceMappings"]}}

    def DeregisterImage(self, region, p):
        self._image(region, p["ImageId"])
        self._dry(p)
        self.deregistered.append({**self.images.pop(p["ImageId"]), "gone": time.time()})
        return {}

    def CopyImage(self, region, p):
        self._dry(p)
        source = self._image(p["SourceRegion"], p["SourceImageId"])
        for image in self.images.values():
            if p.get("ClientToken") and image.get("token") == p["ClientToken"]:
                return {"ImageId": image["ImageId"]}
        if any(image["Name"] == p["Name"] and image["region"] == region for image in self.images.values()):
            raise Refused(400, "InvalidAMIName.Duplicate", f"AMI name {p['Name']} is already in use")
        devices = []
        for mapping in source["BlockDeviceMappings"]:
            old = self.snapshots[mapping["Ebs"]["SnapshotId"]]
            encrypted = p.get("Encrypted", old.encrypted)  # with the key named, or the default one of the region
            copy = Snapshot(self.folder, region, old.size, parent=old, encrypted=encrypted, kms=p.get("KmsKeyId", DEFAULT_KEY) if encrypted else None)
            copy.state = "completed"
            self.snapshots[copy.id] = copy
            devices.append({**mapping, "Ebs": {**mapping["Ebs"], "SnapshotId": copy.id}})
        image = {**source, "Name": p["Name"], "ImageId": new_id("ami"), "region": region, "token": p.get("ClientToken"), "made": time.time(),
                 "tags": dict(source["tags"]) if p.get("CopyImageTags") else {}, "BlockDeviceMappings": devices, "launch": []}
        self.images[image["ImageId"]] = image
        return {"ImageId": image["ImageId"]}

    def ModifyImageAttribute(self, region, p):
        self._dry(p)
        image = self._image(region, p["ImageId"])
        for mapping in image["BlockDeviceMappings"]:
            if (self.snapshots[mapping["Ebs"]["SnapshotId"]].kms or "").endswith("ebs-default"):
                raise Refused(400, "InvalidParameter", "Snapshots encrypted with the AWS Managed CMK can't be shared")
        image["launch"] += [item["UserId"] for item in p["LaunchPermission"]["Add"]]
        return {}

    def ModifySnapshotAttribute(self, region, p):
        self._dry(p)
        if p["Attribute"] != "createVolumePermission" or p["OperationType"] != "add":
            raise Refused(400, "InvalidParameterValue", "only adding createVolumePermission")
        self._snapshot(region, p["SnapshotId"]).shared += p["UserIds"]
        return {}

    # --- snapshots ---

    def _settled(self, snapshot):
        if snapshot.state == "completing" and time.time() - snapshot.completed >= self.settings.get("complete_s", 0.2):
            snapshot.state = "completed"
        return "pending" if snapshot.state == "completing" else snapshot.state

    def _snapshot(self, region, snapshot_id):
        snapshot = self.snapshots.get(snapshot_id)
        if not snapshot or snapshot.region != region or time.time() - snapshot.made < self.settings.get("snapshot_news_s", 0):
            raise Refused(400, "InvalidSnapshot.NotFound", f"The snapshot '{snapshot_id}' does not exist.")
        return snapshot

    def DescribeSnapshots(self, region, p):
        self._dry(p)
        self.settle_imports()
        for snapshot_id in p.get("SnapshotIds", []):
            self._snapshot(region, snapshot_id)
        found = [
            {"SnapshotId": s.id, "State": self._settled(s), "VolumeSize": s.size, "Encrypted": s.encrypted, "KmsKeyId": s.kms or "",
             "Tags": tag_list(s.tags), "StartTime": s.made, "OwnerId": "111122223333", "Progress": "100%", "Description": s.description}
            for s in self.snapshots.values() if s.region == region and s.id in p.get("SnapshotIds", [s.id])
            and matches(p.get("Filters"), {"status": self._settled(s), "snapshot-id": s.id}, s.tags)]
        return self._page(found, "Snapshots", p)

    def _page(self, items, name, p):
        """With the setting "page", so many at once: the rest by NextToken."""
        begin, size = int(p.get("NextToken", "0")), self.settings.get("page", len(items) or 1)
        answer = {name: items[begin:begin + size]}
        if begin + size < len(items):
            answer["NextToken"] = str(begin + size)
        return answer

    def DeleteSnapshot(self, region, p):
        snapshot = self._snapshot(region, p["SnapshotId"])
        held = [image for image in self.deregistered if time.time() - image["gone"] < self.settings.get("held_s", 0)]
        for image in [*self.images.values(), *held]:
            if any(m["Ebs"]["SnapshotId"] == snapshot.id for m in image["BlockDeviceMappings"]):
                raise Refused(400, "InvalidSnapshot.InUse", f"The snapshot {snapshot.id} is currently in use by {image['ImageId']}")
        self._dry(p)
        if not self.settings.get("keep_deleted"):  # so that a test can look at it
            del self.snapshots[snapshot.id]
        return {}

    def CreateTags(self, region, p):
        self._dry(p)
        for resource in p["Resources"]:
            target = self._image(region, resource)["tags"] if resource.startswith("ami-") else self._snapshot(region, resource).tags
            target.update({tag["Key"]: tag["Value"] for tag in p["Tags"]})
        return {}

    # --- import ---

    def ImportSnapshot(self, region, p):
        self._dry(p)
        bucket = p["DiskContainer"]["UserBucket"]
        file = self.objects.get((bucket["S3Bucket"], bucket["S3Key"]))
        if p["DiskContainer"]["Format"] != "VMDK" or file is None or b'createType="streamOptimized"' not in file.read_bytes()[:4096]:
            raise Refused(400, "InvalidParameter", "The disk container is not there or has an unknown format")
        for task_id, task in self.tasks.items():
            if p.get("ClientToken") and task["token"] == p["ClientToken"]:
                return {"ImportTaskId": task_id}
        task_id = new_id("import-snap")
        self.tasks[task_id] = {"file": file.read_bytes(), "token": p.get("ClientToken"), "made": time.time(), "snapshot": None, "region": region, "asked": p,
                               "cancelled": False, "tags": tags_of(p.get("TagSpecifications"), "import-snapshot-task")}
        return {"ImportTaskId": task_id}

    def settle_imports(self):
        """They end by themselves, whether anybody asks or not."""
        for task in self.tasks.values():
            is_due = time.time() - task["made"] > self.settings.get("import_s", 0.3)
            if is_due and not task["snapshot"] and not task["cancelled"] and not self.settings.get("import_failure"):
                self._finish_import(task)

    def CancelImportTask(self, region, p):
        self.settle_imports()
        task = self.tasks[p["ImportTaskId"]]
        if task["snapshot"] or task["cancelled"]:
            raise Refused(400, "IncorrectState", "The task is not active")
        task["cancelled"] = True
        return {"ImportTaskId": p["ImportTaskId"], "State": "deleting", "PreviousState": "active"}

    def _finish_import(self, task):
        vmdk, raw = self.folder / "import.vmdk", self.folder / "import.raw"
        vmdk.write_bytes(task["file"])
        subprocess.run(["qemu-img", "convert", "-f", "vmdk", "-O", "raw", vmdk, raw], check=True)
        size = raw.stat().st_size
        snapshot = Snapshot(self.folder, task["region"], -(-size >> 30), encrypted=task["asked"].get("Encrypted", False), kms=task["asked"].get("KmsKeyId"))
        with open(raw, "rb") as file:
            index = 0
            while data := file.read(524288):
                if data.strip(b"\0"):
                    os.pwrite(snapshot.file, data, index * 524288)
                    snapshot.digests[index] = b""
                index += 1
        snapshot.state, snapshot.by_import = "completed", True
        snapshot.tags = tags_of(task["asked"].get("TagSpecifications"), "snapshot")
        self.snapshots[snapshot.id] = snapshot
        task["snapshot"] = snapshot.id

    def DescribeImportSnapshotTasks(self, region, p):
        self.settle_imports()
        out = []
        for task_id, task in self.tasks.items():
            if task_id not in p.get("ImportTaskIds", [task_id]) or task["region"] != region:
                continue
            failure = self.settings.get("import_failure") or ("User requested cancellation" if task["cancelled"] else None)
            detail = {"Status": "deleted" if failure else "completed" if task["snapshot"] else "active", "Progress": "42", "StatusMessage": failure or "converting"}
            if task["snapshot"]:
                detail["SnapshotId"] = task["snapshot"]
            out.append({"ImportTaskId": task_id, "SnapshotTaskDetail": detail, "Tags": tag_list(task["tags"])})
        return self._page(out, "ImportSnapshotTasks", p)
