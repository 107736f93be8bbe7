"""Credentials that the emulated clouds accept, as a user of all of them would have: `env = give_accounts(home_folder, source)`."""
import json, os, sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from testcloud.clouds import aws_world, azure_world, coreweave, crusoe, digitalocean, fluidstack, hyperstack, lambda_cloud, nebius, oci, runpod, sfcompute, shadeform, together, vast, verda, vultr  # noqa: E402

SECRETS = [lambda_cloud.KEY, azure_world.SECRET, aws_world.KEYS["AKIATEST"], runpod.KEY, verda.SECRET, hyperstack.KEY, nebius.TOKEN, coreweave.TOKEN]


def give_accounts(home, source):
    """Writes the files below `home` and returns the environment."""
    def write(name, text, mode=0o600):
        path = os.path.join(home, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    key = open(os.path.join(source, "tests/fixtures/gcp/test_key.pem")).read()
    write(".config/gcloud/application_default_credentials.json", json.dumps({
        "type": "service_account", "project_id": "test-proj", "client_email": "gpubroker@test-proj.iam.gserviceaccount.com", "private_key_id": "k1", "private_key": key,
        "token_uri": "https://oauth2.googleapis.com/token"}))
    write(".oci/key.pem", open(os.path.join(source, "tests/fixtures/keys/rsa.pem")).read())
    write(".oci/config", f"[DEFAULT]\nuser={oci.USER}\nfingerprint={oci.FINGERPRINT}\ntenancy={oci.TENANCY}\nregion=us-ashburn-1\nkey_file={home}/.oci/key.pem\n")
    write(".lambda_cloud/lambda_keys", f"api_key = {lambda_cloud.KEY}\n")
    write(".aws/credentials", f"[default]\naws_access_key_id = AKIATEST\naws_secret_access_key = {aws_world.KEYS['AKIATEST']}\n")
    write(".aws/config", "[default]\nregion = us-east-1\n")
    return {
        "HOME": home,
        "AZURE_TENANT_ID": azure_world.TENANT, "AZURE_CLIENT_ID": azure_world.CLIENT, "AZURE_CLIENT_SECRET": azure_world.SECRET,
        "AZURE_SUBSCRIPTION_ID": azure_world.SUBSCRIPTION,
        "COREWEAVE_API_TOKEN": coreweave.TOKEN,
        "CRUSOE_ACCESS_KEY_ID": "crusoe-test-key", "CRUSOE_SECRET_KEY": crusoe.KEYS["crusoe-test-key"],
        "DIGITALOCEAN_ACCESS_TOKEN": digitalocean.TOKEN,
        "FLUIDSTACK_CLIENT_ID": fluidstack.CLIENT, "FLUIDSTACK_CLIENT_SECRET": fluidstack.SECRET, "ATLAS_PROJECT_ID": "p-1",
        "HYPERSTACK_API_KEY": hyperstack.KEY,
        "NEBIUS_IAM_TOKEN": nebius.TOKEN,
        "RUNPOD_API_KEY": runpod.KEY,
        "SF_API_KEY": sfcompute.TOKEN,
        "SHADEFORM_API_KEY": shadeform.KEY,
        "TOGETHER_API_KEY": together.KEY,
        "VAST_API_KEY": vast.KEY,
        "VERDA_CLIENT_ID": verda.CLIENT, "VERDA_CLIENT_SECRET": verda.SECRET,
        "VULTR_API_KEY": vultr.KEY,
    }


if __name__ == "__main__":  # accounts.py HOME SOURCE: writes the files, prints the environment as JSON
    print(json.dumps(give_accounts(sys.argv[1], sys.argv[2])))
