"""What the emulated Azure sells, and the OData filters of its price list. Prices are those others have seen live in 2026."""
import re, uuid

TENANT = "00000000-0000-0000-0000-0000000000aa"
SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
CLIENT, SECRET = "11111111-1111-1111-1111-111111111111", "azure-test-secret"
# size: (product, meter, family, vCPUs, RAM GiB, GPUs as the SKUs tell them, zones, {region: (on demand, spot)})
SIZES = {
    "Standard_NC40ads_H100_v5": ("Virtual Machines NCads H100 v5 Series", "NC40ads H100 v5", "StandardNCadsH100v5Family", 40, 320, 1, ["1", "2"],
                                 {"eastus": (6.98, 2.51), "eastus2": (6.98, 2.51), "westus3": (6.98, 2.51), "southcentralus": (8.38, 3.0), "spaincentral": (8.38, 2.2376)}),
    "Standard_NC80adis_H100_v5": ("Virtual Machines NCads H100 v5 Series", "NC80adis H100 v5", "StandardNCadsH100v5Family", 80, 640, 2, ["1", "2"],
                                  {"eastus": (13.96, 5.02), "southcentralus": (16.76, 6.0), "spaincentral": (16.76, 4.4753)}),
    "Standard_NCC40ads_H100_v5": ("Virtual Machines NCCadsv5 Srs", "NCC40ads H100 v5", "StandardNCCads2023Family", 40, 320, 1, [], {"eastus2": (6.98, 1.745)}),
    "Standard_ND96isr_H100_v5": ("Virtual Machines NDsr H100 v5 Series", "ND96isrH100v5", "standardNDSH100v5Family", 96, 1900, 12, ["1", "3"],
                                 {"eastus": (98.32, 18.1695), "eastus2": (98.32, 19.664), "westus": (127.816, 40.9), "uksouth": (122.9, 22.7119)}),
    "Standard_ND96isr_H200_v5": ("Virtual Machines NDsr H200 v5 Series", "ND96isrH200v5", "standardNDISRH200V5Family", 96, 1850, 8, ["1"],
                                 {"westus3": (84.8, 21.2), "polandcentral": (130.592, 130.592)}),
    "Standard_ND128isr_NDR_GB200_v6": ("Virtual Machines NDsr GB200 v6 Series", "ND128isrNDRGB200v6", "standardNDISRGB200V6NDRFamily", 128, 864, 4, ["1"],
                                       {"eastus": (108.16, 27.04), "westus3": (108.16, 27.04)}),
    "Standard_ND96amsr_A100_v4": ("Virtual Machines NDamsr A100 v4 Series", "ND96amsrA100v4", "standardNDAMSv4_A100Family", 96, 1800, 8, ["2"],
                                  {"eastus": (32.77, 6.6), "southcentralus": (39.324, 8.0)}),
    "Standard_NC24ads_A100_v4": ("Virtual Machines NCads A100 v4 Series", "NC24adsA100v4", "StandardNCADSA100v4Family", 24, 220, 1, ["1", "2", "3"],
                                 {"eastus": (3.673, 0.7346), "swedencentral": (4.408, 0.88)}),
    "Standard_NC4as_T4_v3": ("Virtual Machines NCasT4 v3 Series", "NC4as T4 v3", "Standard NCASv3_T4 Family", 4, 28, 1, ["1", "2"],
                             {"eastus": (0.526, 0.21), "westeurope": (0.605, 0.24)}),
    "Standard_NV6ads_A10_v5": ("Virtual Machines NVadsA10v5 Series", "NV6adsA10v5", "StandardNVADSA10v5Family", 6, 55, 1, ["1"], {"eastus": (0.454, 0.09)}),
    # What nobody has told us of, and what has no GPU.
    "Standard_NC320xds_RTX9_v9": ("Virtual Machines NCxds RTX9 v9 Series", "NC320xdsRTX9v9", "StandardNCRTX9Family", 320, 2560, 8, [], {"eastus": (40.0, 12.0)}),
    "Standard_NP10s": ("Virtual Machines NPS Series", "NP10s", "standardNPSFamily", 10, 168, 0, [], {"eastus": (1.65, 0.33)}),
    "Standard_D2s_v5": ("Virtual Machines Dsv5 Series", "D2s v5", "standardDSv5Family", 2, 8, 0, ["1", "2", "3"], {"eastus": (0.096, 0.0192), "westeurope": (0.115, 0.023)}),
}
REGIONS = {"eastus": "US East", "eastus2": "US East 2", "westus": "US West", "westus3": "US West 3", "centralus": "US Central", "southcentralus": "US South Central", "westeurope": "EU West",
           "uksouth": "UK South", "swedencentral": "SE Central", "polandcentral": "PL Central", "spaincentral": "ES Central", "japaneast": "JA East"}


def money(usd):
    return round(usd, 6)


def row(size, region, meter, product, usd, kind="Consumption", **more):
    ids = [str(uuid.uuid5(uuid.NAMESPACE_URL, f"{word}/{size}/{region}/{meter}/{product}/{kind}/{more.get('reservationTerm', '')}")) for word in ("meter", "sku")]
    return {"currencyCode": "USD", "tierMinimumUnits": 0.0, **({"reservationTerm": more["reservationTerm"]} if "reservationTerm" in more else {}), "retailPrice": usd, "unitPrice": usd,
            "armRegionName": region, "location": REGIONS.get(region, region), "effectiveStartDate": "2026-01-01T00:00:00Z", "meterId": ids[0], "meterName": meter, "productId": "DZH318Z0BQ" + ids[1][:2],
            "skuId": "DZH318Z0BQ/" + ids[1][:4], "productName": product, "skuName": meter, "serviceName": "Virtual Machines", "serviceId": "DZH313Z7MMC8", "serviceFamily": "Compute",
            "unitOfMeasure": "1 Hour", "type": kind, "isPrimaryMeterRegion": True, "armSkuName": size, **{k: v for k, v in more.items() if k != "reservationTerm"}}


def price_rows(prices):
    """All kinds of rows that the list has of a machine. `prices`: {"SIZE/region": [on demand, spot]} on top of SIZES."""
    rows = []
    for size, (product, meter, _, _, _, _, _, places) in SIZES.items():
        named = {key.partition("/")[2]: value for key, value in prices.items() if key.partition("/")[0] == size}
        for region, (usd, spot) in {**places, **named}.items():
            saving = {"savingsPlan": [{"unitPrice": money(usd * 0.7), "retailPrice": money(usd * 0.7), "term": "3 Years"}, {"unitPrice": money(usd * 0.85), "retailPrice": money(usd * 0.85), "term": "1 Year"}]}
            windows = " Win" if size.startswith("Standard_NCC") else " Windows"
            rows += [row(size, region, meter, product, usd, **saving), row(size, region, f"{meter} Spot", product, spot), row(size, region, f"{meter} Low Priority", product, money(usd * 0.2)),
                     row(size, region, meter, product + windows, money(usd + 4.416)), row(size, region, f"{meter} Spot", product + windows, money(spot + 4.416)),
                     row(size, region, meter, product + windows, money(usd), "DevTestConsumption"), row(size, region, meter, product, money(usd * 24 * 365 * 0.64), "Reservation", reservationTerm="1 Year"),
                     row(size, region, meter, product, money(usd * 26280 * 0.44), "Reservation", reservationTerm="3 Years"),
                     row(size, region, meter, product.replace("Virtual Machines ", "") + " Dedicated Host", money(usd * 1.1)), row(size, region, meter, product + " CloudServices", usd)]
            if size == "Standard_NC24ads_A100_v4":
                rows += [row(size + "_Promo", region, meter + " Promo", product, money(usd / 2)), row(size, region, meter + " Free", product, 0.0)]
    return rows


FIELDS = {"armRegionName", "armSkuName", "serviceName", "serviceFamily", "priceType", "productName", "skuName", "meterName", "meterId", "serviceId", "productId", "location"}
TOKENS = re.compile(r"\s*(?:'((?:[^']|'')*)'|([A-Za-z_]\w*)|([(),]))")


class BadFilter(Exception):
    pass


class Filter:
    """An OData filter, as far as the price list takes them: eq, ne, and, or, contains(), startswith(), endswith(). Case counts."""

    def __init__(self, text):
        self.tokens, at = [], 0
        while text[at:].strip():
            found = TOKENS.match(text, at)
            if not found:
                raise BadFilter(f"Syntax error at position {at} in '{text}'")
            quoted, word, mark = found.groups()
            self.tokens.append(("text", quoted.replace("''", "'")) if quoted is not None else ("word", word) if word else ("mark", mark))
            at = found.end()
        self.at = 0
        self.matches = self.any_of() if self.tokens else (lambda row: True)
        if self.at != len(self.tokens):
            raise BadFilter(f"Syntax error: unexpected {self.tokens[self.at][1]}")

    def take(self, kind, *values):
        if self.at >= len(self.tokens) or self.tokens[self.at][0] != kind or (values and self.tokens[self.at][1] not in values):
            raise BadFilter(f"Syntax error: {values or kind} expected")
        self.at += 1
        return self.tokens[self.at - 1][1]

    def next_is(self, *token):
        return self.at < len(self.tokens) and self.tokens[self.at] == token

    def any_of(self):
        parts = [self.all_of()]
        while self.next_is("word", "or"):
            self.at += 1
            parts.append(self.all_of())
        return lambda row: any(part(row) for part in parts)

    def all_of(self):
        parts = [self.one()]
        while self.next_is("word", "and"):
            self.at += 1
            parts.append(self.one())
        return lambda row: all(part(row) for part in parts)

    def one(self):
        if self.next_is("mark", "("):
            self.at += 1
            inner = self.any_of()
            self.take("mark", ")")
            return inner
        word = self.take("word")
        if word in ("contains", "startswith", "endswith"):
            self.take("mark", "(")
            name = self.field(self.take("word"))
            self.take("mark", ",")
            text = self.take("text")
            self.take("mark", ")")
            return {"contains": lambda row: text in row[name], "startswith": lambda row: row[name].startswith(text), "endswith": lambda row: row[name].endswith(text)}[word]
        name, equal = self.field(word), self.take("word", "eq", "ne") == "eq"
        text = self.take("text")
        return lambda row: (row[name] == text) == equal

    @staticmethod
    def field(name):
        if name not in FIELDS:
            raise BadFilter(f"Could not find a property named '{name}'")
        return "type" if name == "priceType" else name
