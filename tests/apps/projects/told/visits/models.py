from django.db import models


class Visit(models.Model):
    address = models.GenericIPAddressField()
