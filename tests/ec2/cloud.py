"""The part of EC2, EBS direct and S3 that imgbuild uses, kept in memory; blocks of snapshots and parts of objects in files.

Operations are methods named as AWS names them: parameters of the model in, the model's output (a dict) out. An account that does
what AWS would refuse gets Refused.
"""

import base64
import hashlib
import os
import tempfile
import threading
import time
import uuid

from refused import Refused

BLOCK = 524288
GIB_BLOCKS = 2048
DEFAULT_KEY = "arn:aws:kms:::key/ebs-default"


def new_id(kind):
    return f"{kind}-{uuid.uuid4().hex[:17]}"


def ebs_refusal(code, reason, status=400, message=""):
    return Refused(status, code, message or reason, Reason=reason)


def tags_of(specifications, kind):
    return {tag["Key"]: tag["Value"] for spec in specifications or [] if spec["ResourceType"] == kind for tag in spec["Tags"]}


def tag_list(tags):
    return [{"Key": key, "Value": value} for key, value in tags.items()]


class Snapshot:
    def __init__(self, folder, region, size, **facts):
        self.id, self.region, self.size = new_id("snap"), region, size
        self.state, self.made, self.parent = "pending", time.time(), facts.get("parent")
        self.encrypted, self.kms, self.tags = facts.get("encrypted", False), facts.get("kms"), facts.get("tags", {})
        self.description, self.shared = facts.get("description", ""), []
        self.digests, self.puts = {}, 0  # index → raw digest of what was put here; how often
        self._blocks = tempfile.TemporaryFile(dir=folder)  # gone when neither the account nor a child has the snapshot any more
        self.file = self._blocks.fileno()
        self.asked = facts.get("asked", {})
        self.by_import = False

    def block(self, index):
        """None: zeros."""
        if index in self.digests:
            return os.pread(self.file, BLOCK, index * BLOCK)
        return self.parent.block(index) if self.parent else None

    def indexes(self):
        return sorted(set(self.digests) | set(self.parent.indexes() if self.parent else []))


class Cloud:
    def __init__(self, folder, settings):
        self.folder, self.settings, self.lock = folder, settings, threading.RLock()
        self.snapshots, self.images, self.instances, self.objects, self.uploads, self.tasks = {}, {}, {}, {}, {}, {}
        self.deregistered = []  # images that are gone
        self.versions = {}  # of objects in buckets that keep them
        self.bodies = 0

    # --- EBS direct ---

    def StartSnapshot(self, region, p):
        for snapshot in self.snapshots.values():
            if snapshot.region == region and p.get("ClientToken") and snapshot.asked.get("ClientToken") == p["ClientToken"]:
                if snapshot.asked != p:
                    raise Refused(409, "ConflictException", "The client token was used with other parameters.")
                return self._started(snapshot)
        parent = self._parent(region, p) if "ParentSnapshotId" in p else None
        if "KmsKeyArn" in p and not p.get("Encrypted"):
            raise ebs_refusal("ValidationException", "INVALID_PARAMETER_VALUE", message="KmsKeyArn needs Encrypted")
        always = self.settings.get("encrypt_always", False)  # what an account may demand of all that is new
        if parent and always and not parent.encrypted:
            raise ebs_refusal("ValidationException", "INVALID_DEPENDENCY_REQUEST", message="the parent is not encrypted")
        encrypted = parent.encrypted if parent else p.get("Encrypted", always)
        snapshot = Snapshot(self.folder, region, p["VolumeSize"], parent=parent, encrypted=encrypted,
                            kms=p.get("KmsKeyArn") or (parent.kms if parent else DEFAULT_KEY if encrypted else None),
                            tags={tag["Key"]: tag["Value"] for tag in p.get("Tags", [])}, asked=p, description=p.get("Description", ""))
        self.snapshots[snapshot.id] = snapshot
        return self._started(snapshot)

    def _parent(self, region, p):
        if "Encrypted" in p or "KmsKeyArn" in p:
            raise ebs_refusal("ValidationException", "INVALID_PARAMETER_VALUE", message="a parent excludes Encrypted")
        parent = self.snapshots.get(p["ParentSnapshotId"])
        if not parent or parent.region != region:
            raise ebs_refusal("ResourceNotFoundException", "SNAPSHOT_NOT_FOUND", 404)
        if parent.state != "completed":
            raise ebs_refusal("ValidationException", "INVALID_DEPENDENCY_REQUEST", message="the parent is not completed")
        if p["VolumeSize"] < parent.size:
            raise ebs_refusal("ValidationException", "INVALID_VOLUME_SIZE", message=f"the parent has {parent.size} GiB")
        return parent

    @staticmethod
    def _started(snapshot):
        answer = {"SnapshotId": snapshot.id, "Status": "pending", "BlockSize": BLOCK, "VolumeSize": snapshot.size,
                  "StartTime": snapshot.made}
        if snapshot.parent:
            answer["ParentSnapshotId"] = snapshot.parent.id
        if snapshot.encrypted:
            answer["KmsKeyArn"] = snapshot.kms
        return answer

    def _pending(self, region, snapshot_id):
        snapshot = self.snapshots.get(snapshot_id)
        fresh = self.settings.get("not_found_s", 0)
        if not snapshot or snapshot.region != region or time.time() - snapshot.made < fresh:
            raise ebs_refusal("ResourceNotFoundException", "SNAPSHOT_NOT_FOUND", 404, "The snapshot does not exist.")
        if snapshot.state != "pending":
            raise self._too_late()
        return snapshot

    def _too_late(self):
        """What AWS says of a snapshot that was completed is written nowhere."""
        return ebs_refusal("ValidationException", self.settings.get("completed_twice", "INVALID_SNAPSHOT_ID"), message="the snapshot is not pending")

    def PutSnapshotBlock(self, region, p):
        index = p["BlockIndex"]
        try:
            snapshot = self._pending(region, p["SnapshotId"])
        except Refused as refused:
            self._tell_doubles(refused, p)
            raise
        if p["DataLength"] != BLOCK or len(p["BlockData"]) != BLOCK or not 0 <= index < snapshot.size * GIB_BLOCKS:
            raise ebs_refusal("ValidationException", "INVALID_BLOCK")
        digest = hashlib.sha256(p["BlockData"]).digest()
        if p.get("ChecksumAlgorithm") != "SHA256" or p["Checksum"] != base64.b64encode(digest).decode():
            raise ebs_refusal("ValidationException", "INVALID_BLOCK", message="the block's checksum is another")
        os.pwrite(snapshot.file, p["BlockData"], index * BLOCK)
        with self.lock:
            snapshot.digests[index] = digest
            snapshot.puts += 1
            self.bodies += BLOCK
        return {"Checksum": p["Checksum"], "ChecksumAlgorithm": "SHA256"}

    def _tell_doubles(self, refused, p):
        """A block that was sent twice may come again when the snapshot is already completed; that harms nobody."""
        snapshot = self.snapshots.get(p["SnapshotId"])
        if snapshot and snapshot.state != "pending" and snapshot.digests.get(p["BlockIndex"]) == hashlib.sha256(p["BlockData"]).digest():
            refused.known_as = "late double"

    def CompleteSnapshot(self, region, p):
        snapshot = self.snapshots.get(p["SnapshotId"])
        if snapshot and snapshot.state != "pending":
            raise self._too_late()
        snapshot = self._pending(region, p["SnapshotId"])
        if p["ChangedBlocksCount"] != len(snapshot.digests):
            raise ebs_refusal("ValidationException", "INVALID_PARAMETER_VALUE",
                              message=f"{len(snapshot.digests)} blocks were put, not {p['ChangedBlocksCount']}")
        linear = hashlib.sha256(b"".join(snapshot.digests[index] for index in sorted(snapshot.digests))).digest()
        if p.get("Checksum") != base64.b64encode(linear).decode() or p.get("ChecksumAggregationMethod") != "LINEAR":
            raise ebs_refusal("ValidationException", "INVALID_PARAMETER_VALUE", message="the linear checksum is another")
        snapshot.state, snapshot.completed = "completing", time.time()
        return {"Status": "pending"}

    def _readable(self, region, p):
        snapshot = self.snapshots.get(p["SnapshotId"])
        if not snapshot or snapshot.region != region:
            raise ebs_refusal("ResourceNotFoundException", "SNAPSHOT_NOT_FOUND", 404)
        return snapshot

    def ListSnapshotBlocks(self, region, p):
        snapshot = self._readable(region, p)
        return {"Blocks": [{"BlockIndex": i, "BlockToken": f"t{i}"} for i in snapshot.indexes()], "VolumeSize": snapshot.size,
                "BlockSize": BLOCK}

    def GetSnapshotBlock(self, region, p):
        data = self._readable(region, p).block(p["BlockIndex"])
        if data is None or p["BlockToken"] != f"t{p['BlockIndex']}":
            raise ebs_refusal("ValidationException", "INVALID_BLOCK_TOKEN")
        return {"DataLength": len(data), "BlockData": data, "Checksum": base64.b64encode(hashlib.sha256(data).digest()).decode(),
                "ChecksumAlgorithm": "SHA256"}

    # --- S3 ---

    def _bucket(self, name):
        if name not in self.settings.get("buckets", ["images"]):
            raise Refused(404, "NoSuchBucket", "The specified bucket does not exist")

    def CreateMultipartUpload(self, region, p):
        self._bucket(p["Bucket"])
        upload = uuid.uuid4().hex
        self.uploads[upload] = {"bucket": p["Bucket"], "key": p["Key"], "parts": {}}
        return {"Bucket": p["Bucket"], "Key": p["Key"], "UploadId": upload}

    def _upload(self, p):
        upload = self.uploads.get(p["UploadId"])
        if not upload or (upload["bucket"], upload["key"]) != (p["Bucket"], p["Key"]):
            raise Refused(404, "NoSuchUpload", "The specified upload does not exist")
        return upload

    def UploadPart(self, region, p):
        upload = self._upload(p)
        etag = f'"{hashlib.md5(p["Body"]).hexdigest()}"'
        name = self.folder / f"part-{p['UploadId']}-{p['PartNumber']}"
        name.write_bytes(p["Body"])
        upload["parts"][p["PartNumber"]] = (etag, name)
        return {"ETag": etag}

    def CompleteMultipartUpload(self, region, p):
        upload = self._upload(p)
        wanted = p["MultipartUpload"]["Parts"]
        numbers = [part["PartNumber"] for part in wanted]
        if numbers != sorted(numbers) or any(upload["parts"].get(part["PartNumber"], ("",))[0] != part["ETag"] for part in wanted):
            raise Refused(400, "InvalidPart", "One or more of the specified parts could not be found.")
        files = [upload["parts"][number][1] for number in numbers]
        if any(file.stat().st_size < 5 << 20 for file in files[:-1]):
            raise Refused(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
        target = self.folder / f"object-{uuid.uuid4().hex}"
        with open(target, "wb") as out:
            for file in files:
                out.write(file.read_bytes())
                file.unlink()
        del self.uploads[p["UploadId"]]
        self.objects[p["Bucket"], p["Key"]] = target
        answer = {"Bucket": p["Bucket"], "Key": p["Key"], "ETag": '"x-2"'}
        if self.settings.get("versions"):
            self.versions[p["Bucket"], p["Key"]] = answer["VersionId"] = uuid.uuid4().hex
        return answer

    def ListMultipartUploads(self, region, p):
        self._bucket(p["Bucket"])
        found = [{"Key": u["key"], "UploadId": i} for i, u in self.uploads.items() if u["bucket"] == p["Bucket"] and u["key"].startswith(p.get("Prefix", ""))]
        return {"Bucket": p["Bucket"], "Uploads": found}

    def GetObject(self, region, p):
        self._bucket(p["Bucket"])
        if (p["Bucket"], p["Key"]) not in self.objects:
            raise Refused(404, "NoSuchKey", "The specified key does not exist.")
        place = p["Bucket"], p["Key"]
        return {"Body": self.objects[place].read_bytes()[:1], **({"VersionId": self.versions[place]} if place in self.versions else {})}

    def AbortMultipartUpload(self, region, p):
        for _, file in self._upload(p)["parts"].values():
            file.unlink()
        del self.uploads[p["UploadId"]]
        return {}

    def DeleteObject(self, region, p):
        """In a bucket that keeps versions the object stays behind a marker, unless its version is named."""
        self._bucket(p["Bucket"])
        place = p["Bucket"], p["Key"]
        if place not in self.versions or self.versions[place] == p.get("VersionId"):
            self.objects.pop(place, None)
        return {}
