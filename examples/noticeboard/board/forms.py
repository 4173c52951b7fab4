"""Forms of the public pages."""

from django import forms

from .models import Notice


class NoticeForm(forms.ModelForm):
    """A new notice, with an optional attachment."""

    class Meta:
        model = Notice
        fields = ("title", "category", "body", "attachment")
        widgets = {"body": forms.Textarea(attrs={"rows": 8})}


class ContactForm(forms.Form):
    """A message to the caretaker of the board."""

    sender = forms.EmailField(label="Your e-mail address", widget=forms.EmailInput(attrs={"autocomplete": "email"}))
    subject = forms.CharField(max_length=120)
    message = forms.CharField(max_length=5000, widget=forms.Textarea(attrs={"rows": 6}))
