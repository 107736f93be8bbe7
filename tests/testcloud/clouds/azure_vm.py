"""What a request for a virtual machine of the emulated Azure must hold: fields, image, login, market."""
import base64, binascii, re

from testcloud.clouds.azure_arm import Refused
from testcloud.clouds.azure_network import REF, TOP

VM_FIELDS = {**TOP, "identity": {"type": None}, "properties": {
    "hardwareProfile": {"vmSize": None}, "priority": None, "evictionPolicy": None, "billingProfile": {"maxPrice": None}, "availabilitySet": REF, "proximityPlacementGroup": REF,
    "capacityReservation": {"capacityReservationGroup": REF},
    "storageProfile": {"imageReference": {"publisher": None, "offer": None, "sku": None, "version": None, "id": None}, "diskControllerType": None, "dataDisks": None,
                       "osDisk": {"createOption": None, "deleteOption": None, "diskSizeGB": None, "name": None, "caching": None, "osType": None, "managedDisk": {"storageAccountType": None, "id": None}}},
    "osProfile": {"computerName": None, "adminUsername": None, "customData": None, "allowExtensionOperations": None,
                  "linuxConfiguration": {"disablePasswordAuthentication": None, "provisionVMAgent": None, "ssh": {"publicKeys": [{"path": None, "keyData": None}]}}},
    "securityProfile": {"securityType": None, "uefiSettings": None}, "diagnosticsProfile": None, "userData": None,
    "networkProfile": {"networkInterfaces": [{"id": None, "properties": {"primary": None, "deleteOption": None}}], "networkApiVersion": None},
    "scheduledEventsProfile": {"terminateNotificationProfile": {"enable": None, "notBeforeTimeout": None}}}}
IMAGES = {("microsoft-dsvm", "ubuntu-hpc", "2204"): "x64", ("microsoft-dsvm", "ubuntu-hpc", "2204-rocm"): "x64", ("canonical", "0001-com-ubuntu-server-jammy", "22_04-lts-gen2"): "x64",
          ("canonical", "ubuntu-24_04-lts", "server-arm64"): "Arm64"}
RESERVED_USERS = {"root", "admin", "administrator", "test", "user", "guest", "console", "owner"}


def check_disk_and_image(size, storage):
    image, disk = storage.get("imageReference", {}), storage.get("osDisk", {})
    arch = IMAGES.get((image.get("publisher", "").lower(), image.get("offer"), image.get("sku")))
    if not arch:
        raise Refused(404, "PlatformImageNotFound", f"The platform image '{':'.join(str(image.get(one)) for one in ('publisher', 'offer', 'sku', 'version'))}' is not available. Verify that all fields "
                                                    "in the storage profile are correct.", target="imageReference")
    needed = "Arm64" if "GB200" in size or "GB300" in size else "x64"
    if arch != needed:
        raise Refused(400, "BadRequest", f"Cannot create a VM of size '{size}' because this VM size only supports a CPU Architecture of '{needed}', but an image or disk with CPU Architecture "
                                         f"'{arch}' was given.")
    if disk.get("createOption") != "FromImage" or not 30 <= disk.get("diskSizeGB", 0) <= 4095 or disk.get("deleteOption") not in (None, "Delete", "Detach"):
        raise Refused(400, "InvalidParameter", "The value of parameter osDisk is invalid.", target="osDisk")
    if disk.get("managedDisk", {}).get("storageAccountType") not in ("Premium_LRS", "StandardSSD_LRS", "Standard_LRS"):
        raise Refused(400, "InvalidParameter", "The value of parameter osDisk.managedDisk.storageAccountType is invalid.", target="osDisk.managedDisk.storageAccountType")


def check_login(profile):
    """The user's keys and what cloud-init gets."""
    user = profile.get("adminUsername", "")
    if user.lower() in RESERVED_USERS or not re.fullmatch(r"[a-z_][a-z0-9_-]{0,63}", user):
        raise Refused(400, "InvalidParameter", "The Admin Username specified is not allowed.", target="adminUsername")
    if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}[A-Za-z0-9])?", profile.get("computerName", "")):
        raise Refused(400, "InvalidParameter", "Linux host name cannot exceed 64 characters in length or contain the following characters: ` ~ ! @ # $ % ^ & * ( ) = + _ [ ] { }.", target="computerName")
    keys = profile.get("linuxConfiguration", {}).get("ssh", {}).get("publicKeys", [])
    if not profile.get("linuxConfiguration", {}).get("disablePasswordAuthentication") or not keys:
        raise Refused(400, "InvalidParameter", "Authentication using either SSH or by user name and password must be enabled in Linux profile.", target="linuxConfiguration")
    for key in keys:
        if key.get("path") != f"/home/{user}/.ssh/authorized_keys":
            raise Refused(400, "InvalidParameter", f"Destination path for SSH public keys is currently limited to its default value /home/{user}/.ssh/authorized_keys due to a known issue in Linux "
                                                   "provisioning agent.", target="linuxConfiguration.ssh.publicKeys.path")
        if not re.fullmatch(r"ssh-(rsa|ed25519) [A-Za-z0-9+/=]+( .*)?", key.get("keyData", "").strip()):
            raise Refused(400, "InvalidParameter", "The value of parameter linuxConfiguration.ssh.publicKeys.keyData is invalid.", target="linuxConfiguration.ssh.publicKeys.keyData")
    try:
        data = base64.b64decode(profile.get("customData", ""), validate=True)
    except binascii.Error:
        raise Refused(400, "InvalidParameter", "Custom data in OSProfile must be in Base64 encoding and with a maximum length of 87380 characters.", target="customData") from None
    if len(profile.get("customData", "")) > 87_380:
        raise Refused(400, "InvalidParameter", "Custom data in OSProfile must be in Base64 encoding and with a maximum length of 87380 characters.", target="customData")
    return user, [key["keyData"] for key in keys], data.decode()


def check_market(properties, body, spot_price):
    """"spot" or "on_demand", with what goes together."""
    priority = properties.get("priority", "Regular")
    if priority not in ("Regular", "Spot"):
        raise Refused(400, "InvalidParameter", "The value of parameter priority is invalid.", target="priority")
    if priority == "Regular" and ("evictionPolicy" in properties or "billingProfile" in properties):
        raise Refused(409, "OperationNotAllowed", "Eviction policy and max price can be set only on Azure Spot Virtual Machines.")
    if "availabilitySet" in properties and (body.get("zones") or priority == "Spot"):
        raise Refused(400, "BadRequest", "A virtual machine in an availability set can neither be in an availability zone nor have the priority Spot.")
    if priority == "Regular":
        return "on_demand"
    if properties.get("evictionPolicy") not in ("Delete", "Deallocate"):
        raise Refused(400, "InvalidParameter", "The value of parameter evictionPolicy is invalid.", target="evictionPolicy")
    most = properties.get("billingProfile", {}).get("maxPrice", -1)
    if most != -1 and most < spot_price:
        raise Refused(409, "OperationNotAllowed", f"Unable to perform operation 'Create VM' since the provided max price '{most} USD' is lower than the current spot price '{spot_price} USD' for Azure "
                                                  "Spot VM size.")
    return "spot"
